"""The runner: Celery tasks that move jobs through the pipeline."""
