"""Looking into a job's run folder, and at the runner of this machine, for the web server."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from jfcelery.errors import InputError, RunFolderError
from jfcelery.scheduler_io.run_folder import run_folder

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Most bytes of the end of a file that are shown.
TAIL_BYTES = 20_000
#: Most names of files that are shown.
MOST_FILES = 2000


def run_files(project: Project, doc: JobDoc) -> list[str]:
    """Return the names of the files in a job's run folder.

    Raises:
        StateError: The job has none yet.
        RunFolderError: It is not there.
        HostError: The host cannot be reached.
    """
    with run_folder(project, doc) as (host, folder):
        result = host.run(f"cd {shlex.quote(str(folder))} && ls -A | head -n {MOST_FILES}")
        if not result.ok:
            raise RunFolderError(
                f"{host.name}: cannot list {folder}: {result.stderr.strip()}",
                remedy="It may have been removed: `jfc job info` says when the job ended.",
            )
    return list(result.stdout.splitlines())


def file_tail(project: Project, doc: JobDoc, name: str) -> str:
    """Return the end of a file in a job's run folder.

    Raises:
        InputError: The name is none of a file in the folder itself.
        StateError: The job has no run folder yet.
        RunFolderError: The file cannot be read.
        HostError: The host cannot be reached.
    """
    if not name or "/" in name or name in {".", ".."} or not name.isprintable():
        raise InputError(f"{name!r} is no name of a file.", remedy="Folders are not looked into.")
    with run_folder(project, doc) as (host, folder):
        result = host.run(f"tail -c {TAIL_BYTES} -- {shlex.quote(str(folder / name))}")
        if not result.ok:
            raise RunFolderError(
                f"{host.name}: cannot read {folder / name}: {result.stderr.strip()}",
                remedy=f"`jfc job files ls {doc.db_id}` shows what is there.",
            )
    return str(result.stdout)


def runner_state(project: Project) -> dict[str, str]:
    """Return the state of each process of this machine's runner, and of the ``runner`` itself."""
    from jfcelery.tasks.runner.lifecycle import Runner

    info = Runner(project).info()
    return {"runner": info.state.value} | {p.name: p.state for p in info.processes}


def start_runner(project: Project) -> None:
    """Start the runner of this machine as it was started last, and do not wait for it.

    Raises:
        RunnerError: It runs, or does not start.
        ServiceError: Database or broker does not answer.
    """
    from jfcelery.tasks.runner.layout import Layout
    from jfcelery.tasks.runner.lifecycle import Runner

    runner = Runner(project)
    runner.start(runner.layout() or Layout(), wait=0)


def stop_runner(project: Project) -> bool:
    """Tell this machine's runner to stop once its steps have ended; return whether one runs."""
    from jfcelery.tasks.runner.lifecycle import Runner

    return Runner(project).tell_to_stop()
