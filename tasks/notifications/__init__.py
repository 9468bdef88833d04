"""Telling people what happens: found in the database, gathered there, sent as a digest.

Whoever of the Celery workers takes the turn looks for what happened since the last look, and puts
it into the *outbox*, a record of the project, together with how far was looked: so each event is
told once, however many look and whoever dies. What is in the outbox goes out as one message a rule
and interval, by a process of its own that is ended if it takes too long. Jobs know nothing of it.
"""
