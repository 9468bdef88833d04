"""Throwaway projects whose services jfcelery itself runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery import services
from jfcelery.errors import ServiceStartError
from jfcelery.project import Project
from jfcelery.services import binaries
from jfcelery.services.processes import ProcessIdentity, command_line
from tests.conftest import missing
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.services.record import ServiceRecord
    from jfcelery.services.service import Service

#: Cache of the embedded database in tests: many of them run on small machines.
CACHE = "32M"


_PRELUDE = """
import os, sys, time
from pathlib import Path
from jfcelery import services
from jfcelery.project import Project
project = Project(name=sys.argv[1], base_dir=Path(sys.argv[2]))
"""


@contextmanager
def embedded_project(name: str = "embedded", *, below: str = "") -> Iterator[Project]:
    """Give a project with embedded services; stop them and remove all files at the end.

    Where the programs are missing, the test is skipped.

    Args:
        name: Name of the project.
        below: Folder, in a temporary one, for the project's files.
    """
    try:
        binaries.find_database()
        binaries.find_broker()
    except ServiceStartError as why:
        missing(why)
    folder = Path(tempfile.mkdtemp(prefix="jfcs-", dir="/tmp"))
    project = Project(name=name, base_dir=folder / (below or name))
    try:
        yield project
    finally:
        if (project.base_dir / "services").is_dir():
            services.stop(project)
        shutil.rmtree(folder, ignore_errors=True)


def database(project: Project) -> services.DatabaseService:
    """Return the project's embedded database."""
    return services.DatabaseService(project.base_dir, project.log_dir)


def broker(project: Project) -> services.BrokerService:
    """Return the project's embedded broker."""
    return services.BrokerService(project.base_dir, project.log_dir)


def instances(service: Service) -> list[int]:
    """Return the pids of all living servers that use a service's data."""
    return [
        pid
        for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        if str(service.files.data) in command_line(pid) and ProcessIdentity.of(pid)
    ]


def record_of(service: Service) -> ServiceRecord:
    """Return the record of a service that runs."""
    record = service.running()
    assert record is not None
    return record


def kill(service: Service) -> ServiceRecord:
    """Kill a service with SIGKILL, wait for its end, and return the record that it leaves."""
    record = record_of(service)
    os.kill(record.process.pid, signal.SIGKILL)
    wait_until(lambda: not record.process.alive, "the server to end")
    return record


def script(project: Project, body: str, **options: Any) -> subprocess.Popen[str]:
    """Run Python code in a process of its own, with ``project`` at hand."""
    code = _PRELUDE + textwrap.dedent(body)
    command = [sys.executable, "-c", code, project.name, str(project.base_dir)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
