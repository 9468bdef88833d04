"""What runs on the worker: a job's input in, its output out.

``run`` executes a job in its run folder; the modules beside it read and write the files that lie
there. Nothing here talks to the queue's database, to Redis or to a scheduler.
"""
