"""How ``jfc runner`` shows the runner's processes and the services."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jfcelery.cli.output import console, duration, escape, table

if TYPE_CHECKING:
    from jfcelery.project import Project
    from jfcelery.services import ServiceStatus
    from jfcelery.tasks.runner.status import RunnerInfo

#: Colours of the runner's states.
STATE_STYLES = {"running": "green", "stopped": "red", "supervisor lost": "red"}


def show_processes(found: RunnerInfo, verbosity: int) -> None:
    """Print the runner's processes; with a verbosity their log files, too."""
    out = console()
    out.print(f"Runner status: {styled(found.state)}")
    if not found.processes:
        return
    shown = table("", ["Process", "PID", "State", "Uptime", "Memory", *(["Log"] * (verbosity > 0))])
    for process in found.processes:
        ready = process.ready or process.state != "running"
        row = [
            process.name,
            str(process.pid or ""),
            process.state if ready else "starting",
            duration(time.time() - process.since if process.since else None),
            _megabytes(process.memory),
        ]
        shown.add_row(*row, *([escape(process.log)] * (verbosity > 0)))
    out.print(shown)
    for process in found.processes:
        if process.words:
            out.print(f"[red]{process.name}:[/] {escape(process.words)}", soft_wrap=True)


def show_services(services: list[ServiceStatus]) -> None:
    """Print database and broker."""
    from jfcelery.tasks.runner.memory import memory_of

    shown = table("", ["Service", "PID", "State", "Memory", "Address"])
    for service in services:
        state = {True: "running", False: "not running", None: "external"}[service.running]
        memory = _megabytes(memory_of(service.pid)) if service.pid else ""
        shown.add_row(service.name, str(service.pid or ""), state, memory, escape(service.address))
    console().print(shown)


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 2**20:.0f} MB"


def styled(state: str) -> str:
    """Return a state of the runner in its colour."""
    style = STATE_STYLES.get(state, "yellow")
    return f"[{style}]{state}[/]"


def services_up(project: Project) -> set[str]:
    """Return the names of the embedded services that run on this machine."""
    from jfcelery.services import status as services_status

    return {service.name for service in services_status(project) if service.running}
