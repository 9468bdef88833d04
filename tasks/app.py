"""The Celery app of one project, and its tasks.

Which project it serves is said by ``JFCELERY_PROJECT`` and ``JFCELERY_PROJECTS_FOLDER``. The
tasks are thin: the work is in the modules that they name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.exceptions import Ignore

from jfcelery.errors import ServiceError
from jfcelery.project import load_project
from jfcelery.services import endpoint, ensure
from jfcelery.tasks import about
from jfcelery.tasks.pipeline import PIPELINE
from jfcelery.tasks.queues import control_queue
from jfcelery.tasks.runner.quiet import PERIODIC
from jfcelery.tasks.runtime import Current
from jfcelery.tasks.schedule import beat_schedule
from jfcelery.tasks.sending import task_name
from jfcelery.tasks.settings import celery_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.project import Project
    from jfcelery.tasks.step import Step


def make_app(project: Project) -> Celery:
    """Return the Celery app of a project, all its tasks registered."""
    ensure(project)
    points = endpoint(project)
    made = Celery("jfcelery", set_as_current=False)
    made.config_from_object(celery_settings(points.broker))
    made.conf.task_default_queue = control_queue(project)
    made.conf.beat_schedule = beat_schedule(project)
    current = Current(project)
    for step in PIPELINE:
        _register_step(made, current, step)
    _register_others(made, current)
    about.register(project)
    return made


def _register_step(app: Celery, current: Current, step: Step) -> None:
    def run(uuid: str, index: int, epoch: int) -> None:
        try:
            goes_on = step.run(current.get(), uuid, index, epoch)
        except ServiceError as error:
            raise Ignore(str(error)) from error
        if not goes_on:
            raise Ignore

    run.__doc__ = step.body.__doc__
    app.task(name=task_name(step.name))(run)


def _register_others(app: Celery, current: Current) -> None:
    from jfcelery.tasks.bundle import run_bundle
    from jfcelery.tasks.cancel import cancel_all
    from jfcelery.tasks.checkout import checkout
    from jfcelery.tasks.harvest import run_harvest
    from jfcelery.tasks.notifications.telling import notify
    from jfcelery.tasks.poll import poll_host, tick
    from jfcelery.tasks.sweep import sweep

    def checkout_task() -> None:
        checkout(current.get())

    def bundle_task(worker: str, entries: Sequence[Sequence[str | int]]) -> None:
        run_bundle(current.get(), worker, entries)

    def harvest_task(worker: str, entries: Sequence[Sequence[str | int]]) -> None:
        run_harvest(current.get(), worker, entries)

    def tick_task() -> None:
        tick(current.get())

    def poll_task(host_key: str) -> None:
        poll_host(current.get(), host_key)

    def cancel_task(host_key: str) -> None:
        cancel_all(current.get(), host_key)

    def sweep_task() -> None:
        sweep(current.get())

    def notify_task() -> None:
        notify(current.get())

    for function in (
        checkout_task,
        bundle_task,
        harvest_task,
        tick_task,
        poll_task,
        cancel_task,
        sweep_task,
        notify_task,
    ):
        name = function.__name__.removesuffix("_task")
        # Several a second would drown the jobs' steps in Flower.
        shown = task_name(name) not in PERIODIC
        app.task(name=task_name(name), send_events=shown)(_quiet(function))


def _quiet(function: Callable[..., None]) -> Callable[..., None]:
    """Let an outage of the database or broker end a task without a trace: beat comes back."""
    from functools import wraps

    @wraps(function)
    def run(*args: Any) -> None:
        try:
            function(*args)
        except ServiceError as error:
            raise Ignore(str(error)) from error

    return run


app = make_app(load_project())
