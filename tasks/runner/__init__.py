"""The runner: supervisor, Celery workers, beat and Flower of one project on one machine.

``lifecycle.Runner`` starts and stops it, ``status`` tells how it is, ``layout`` says of which
processes it consists. Each process is a module that is run: ``supervise``, ``worker``, and
``jfcelery.tasks.flower_app``; hence nothing is imported here.
"""
