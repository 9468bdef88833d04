"""The process that supervises the others: ``python -m jfcelery.tasks.runner.supervise``.

It holds the runner's lock as long as it lives, so a project has one runner on a machine.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from jfcelery.services.locks import LockFile
from jfcelery.services.record import write_private
from jfcelery.tasks.runner.configuration import Configuration, configuration
from jfcelery.tasks.runner.ending import end
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.layout import DRAIN, Layout
from jfcelery.tasks.runner.records import SUPERVISOR, Phase, Record, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

#: Exit status: another runner holds the lock.
EXIT_LOCKED = 11
#: Random bytes in the password with which supervisor lets a client in.
PASSWORD_BYTES = 32
#: What ends the supervisor; it takes no other signals.
_END_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
#: Bytes of log that are passed on at once.
_CHUNK = 65536


class Supervision:
    """One life of the supervisor.

    Args:
        folder: Where the runner's files lie.
        layout: Which processes to run.
        foreground: Whether this process stays in its terminal or container, with all logs on
            stdout.
    """

    def __init__(self, folder: RunnerFolder, layout: Layout, *, foreground: bool) -> None:
        self.folder, self.layout, self.foreground = folder, layout, foreground
        self.records = Records(folder)
        self.record = Record.of(
            os.getpid(), SUPERVISOR, socket=str(folder.socket), foreground=foreground
        )

    def run(self) -> None:
        """Run the processes until a signal ends them; leave none behind."""
        self.records.write(self.record)
        try:
            self._end_others()
            _run_supervisor(self, self._configure())
        finally:
            self.advance(Phase.ENDING)
            self._end_others()
            _stop_services()
            self.records.remove(self.record)

    def advance(self, phase: Phase) -> None:
        """Write down how far the supervisor is."""
        self.record = self.records.advance(self.record, phase)

    def _end_others(self) -> None:
        """End processes that an earlier supervisor, killed, has left behind."""
        others = [record for record in self.records.living() if record != self.record]
        for record in others:
            logger.warning("Ending %s (pid %d), left behind", record.name, record.pid)
        end(others, grace=min(self.layout.drain, DRAIN))
        for record in self.records.forget_dead():
            logger.debug("Forgot %s (pid %d)", record.name, record.pid)

    def _configure(self) -> Configuration:
        write_private(self.folder.layout, self.layout.model_dump_json())
        made = configuration(
            self.folder,
            self.layout,
            password=secrets.token_urlsafe(PASSWORD_BYTES),
            supervisor=os.getpid(),
            foreground=self.foreground,
        )
        write_private(self.folder.configuration, made.text)
        return made


def _run_supervisor(supervision: Supervision, told: Configuration) -> None:
    """Run supervisor's loop in this process until it is told to end."""
    from supervisor.medusa.asyncore_25 import ExitNow
    from supervisor.options import ServerOptions
    from supervisor.states import SupervisorStates
    from supervisor.supervisord import Supervisor

    class OurSupervisor(Supervisor):  # type: ignore[misc] # supervisor has no annotations
        """A supervisor that says when it works, and whom a second signal makes impatient."""

        def runforever(self) -> None:
            supervision.advance(Phase.WORKING)
            super().runforever()

        def handle_signal(self) -> None:
            number = self.options.get_signal()
            if number in _END_SIGNALS and self.stopping:
                for group in (self.process_groups or {}).values():
                    for process in group.get_unstopped_processes():
                        process.kill(signal.SIGKILL)
            elif number in _END_SIGNALS:
                supervision.advance(Phase.ENDING)
                self.options.logger.info("told to end")
                self.options.mood = SupervisorStates.SHUTDOWN

    class OurOptions(ServerOptions):  # type: ignore[misc] # supervisor has no annotations
        """Options that supervisor's own main function would set."""

        first, test = True, False

    options = OurOptions()
    options.environ_expansions.update(told.values)
    options.realize(["-c", str(supervision.folder.configuration)])
    try:
        OurSupervisor(options).main()
    except ExitNow:
        options.close_httpservers()
        options.close_logger()


def _stop_services() -> None:
    """Stop warm servers, and the embedded services unless somebody else uses them."""
    from jfcelery.errors import JfceleryError
    from jfcelery.execution.warm.place import retire
    from jfcelery.project import load_project
    from jfcelery.services import stop_if_unused

    try:
        project = load_project()
        retire(project)
        stop_if_unused(project)
    except JfceleryError as error:
        logger.warning("The embedded services were not stopped: %s", error.message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Become the supervisor of a project's runner.

    The project is named by the environment (``JFCELERY_PROJECT``, ``JFCELERY_PROJECTS_FOLDER``),
    which the supervised processes inherit.
    """
    parser = argparse.ArgumentParser(prog="supervise")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--foreground", action="store_true")
    options = parser.parse_args(arguments)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    folder = RunnerFolder(options.folder, options.logs)
    folder.make()
    lock = LockFile(folder.lock)
    if not lock.acquire():
        sys.stderr.write("Another runner of this project runs on this machine.\n")
        return 1 if options.foreground else EXIT_LOCKED
    if options.foreground:
        _make_stdout_openable()
    else:
        _leave_parent(Records(folder), folder)
    Supervision(
        folder, Layout.model_validate_json(options.layout), foreground=options.foreground
    ).run()
    return 0


def _leave_parent(records: Records, folder: RunnerFolder) -> None:
    """Go on in a child with a session of its own; the parent ends once its child is on record."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        records.write(Record.of(pid, SUPERVISOR, socket=str(folder.socket)))
        os._exit(0)
    os.close(writer)
    os.read(reader, 1)  # nothing comes: it returns when the parent has ended
    os.close(reader)
    os.setsid()


def _make_stdout_openable() -> None:
    """Let ``/dev/stdout`` be opened where stdout is a socket, as systemd's journal gives it."""
    if not stat.S_ISSOCK(os.fstat(1).st_mode):
        return
    journal = os.dup(1)
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    threading.Thread(target=_pump, args=(reader, journal), daemon=True).start()


def _pump(reader: int, writer: int) -> NoReturn:
    while True:
        os.write(writer, os.read(reader, _CHUNK))


if __name__ == "__main__":
    sys.exit(main())
