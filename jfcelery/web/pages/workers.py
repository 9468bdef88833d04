"""The page of workers and hosts, and of the runner on the server's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from nicegui import ui

from jfcelery.controller.holding import going_on, held_back, hold_back, let_go_on
from jfcelery.controller.workers import WorkerInfo, worker_infos
from jfcelery.database.hosts import HostRecords
from jfcelery.messages import messenger
from jfcelery.web.pages.actions import button, guarded
from jfcelery.web.pages.frame import card, frame, live
from jfcelery.web.pages.logins import log_in
from jfcelery.web.pages.markup import Safe, breaker, facts, table, when

if TYPE_CHECKING:
    from jfcelery.web.current import Current
    from jfcelery.web.door import Caller


def add_workers(current: Current) -> None:
    """Add the page of workers."""

    @ui.page("/workers")
    def workers(request: Request) -> None:
        with frame("Workers", request, current) as caller:
            for name in current.project.workers:
                with card(f"Worker {name}"):
                    live(current, worker_facts, name)
                    if caller.may_act:
                        _worker_buttons(current, caller, name)
            with card("Runner on this machine"):
                live(current, runner_table)
                if caller.may_act:
                    _runner_buttons(current, caller)
            with card("Celery workers"):
                live(current, celery_table, rest=0)


def worker_facts(current: Current, name: str) -> Safe:
    """Return what is known of a worker and its host."""
    controller = current.controller()
    infos = {info.name: info for info in worker_infos(controller.project, controller.queue)}
    info: WorkerInfo = infos[name]
    status = HostRecords(controller.queue).get(info.host)
    values: dict[str, object] = {
        "state": Safe(" ".join(breaker(info.state))),
        "host": info.details.get("host", info.host),
        "type": info.type,
        "scheduler": info.scheduler,
        "jobs under way": info.active,
        "of them in its queue": info.in_queue,
        "queue answered": when(status.polled_on),
        "failures": status.failures or None,
    }
    worker = controller.project.workers[name]
    if getattr(worker, "interactive_login", False) or status.error_class == "LoginNeededError":
        values["log in with"] = Safe(f"<code>jfc worker login {name}</code>")
    return facts(values)


def runner_table(current: Current) -> Safe:
    """Return the processes of the runner."""
    rows = messenger(current.project).runner_state().items()
    return table("Processes of the runner", ["Process", "State"], rows)


def celery_table(current: Current) -> Safe:
    """Return the Celery workers that answer, on whatever machine."""
    names = messenger(current.project).celery_workers()
    return table("Celery workers", ["Celery worker"], [(name,) for name in names])


def _worker_buttons(current: Current, caller: Caller, name: str) -> None:
    async def pause() -> None:
        await guarded(caller, lambda: held_back(hold_back(current.controller(), name)))

    async def resume() -> None:
        await guarded(caller, lambda: going_on(let_go_on(current.controller(), name)))

    async def login() -> None:
        await log_in(current, caller, name)

    with ui.element("div").classes("buttons"):
        button(f"Pause {name}", pause)
        button(f"Resume {name}", resume)
        if getattr(current.project.workers[name], "interactive_login", False):
            button(f"Log in to {name} …", login)


def _runner_buttons(current: Current, caller: Caller) -> None:
    def starts() -> str:
        messenger(current.project).start_runner()
        return "The runner starts."

    def stops() -> str:
        runs = messenger(current.project).stop_runner()
        return "The runner ends its steps." if runs else "No runner runs on this machine."

    async def start() -> None:
        await guarded(caller, starts)

    async def stop() -> None:
        await guarded(caller, stops)

    with ui.element("div").classes("buttons"):
        button("Start the runner", start)
        button("Stop the runner", stop)
