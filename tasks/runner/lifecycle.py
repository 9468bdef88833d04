"""Start and stop the runner of a project on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from jfcelery.errors import RunnerError, RunnerRunningError
from jfcelery.tasks.runner.ending import await_end, end
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.layout import DRAIN, Layout
from jfcelery.tasks.runner.records import SUPERVISOR, Phase, Record, Records, find_folder
from jfcelery.tasks.runner.status import RunnerInfo, RunnerState, inspect, last_line
from jfcelery.tasks.runner.supervise import EXIT_LOCKED

if TYPE_CHECKING:
    from jfcelery.project import Project

#: Seconds in which the supervisor must be on record.
LAUNCH_TIMEOUT = 60.0
#: Seconds in which all processes must have begun their work.
START_TIMEOUT = 120.0
#: Seconds that the supervisor gets, beyond the running steps, to stop the embedded services.
STOP_MARGIN = 60.0
#: Seconds between two looks.
LOOK_INTERVAL = 0.1


class Runner:
    """The runner of a project on this machine.

    Args:
        project: The project; it must have come from a file, which the processes read.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = find_folder(RunnerFolder.of(project))
        self._records = Records(self.folder)

    def info(self) -> RunnerInfo:
        """Return what runs; contact neither database nor broker."""
        return inspect(self.folder)

    def layout(self) -> Layout | None:
        """Return the layout with which the runner was last started."""
        return Layout.read(self.folder.layout)

    def start(self, layout: Layout, *, wait: float = START_TIMEOUT) -> RunnerInfo:
        """Start the runner in the background.

        Args:
            layout: Which processes to start.
            wait: Seconds to wait for all processes to begin their work; 0 waits for none.

        Raises:
            RunnerRunningError: There is one.
            RunnerError: It does not start, or not all of it in time (it goes on trying).
            ServiceError: Database or broker cannot be started or reached.
        """
        status = self._launch(self._prepare(layout))
        if status == EXIT_LOCKED:
            raise self._running()
        if status:
            raise self._not_started()
        return self._await_work(wait) if wait else self.info()

    def _launch(self, command: list[str]) -> int:
        """Start the supervisor; return the exit status of the process that puts it on record."""
        with self.folder.launch.open("wb") as log:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=LAUNCH_TIMEOUT,
                    check=False,
                    env=self._environment(),
                )
            except subprocess.TimeoutExpired:
                raise RunnerError(
                    f"the runner did not start within {LAUNCH_TIMEOUT:.0f} s",
                    remedy="The machine is overloaded, or its disk hangs.",
                ) from None
        return done.returncode

    def run(self, layout: Layout) -> NoReturn:
        """Become the runner: this process is replaced by the supervisor, all logs go to stdout.

        Args:
            layout: Which processes to start.

        Raises:
            RunnerRunningError: There is one.
            ServiceError: Database or broker cannot be started or reached.
        """
        command = [*self._prepare(layout), "--foreground"]
        sys.stdout.flush()
        os.execve(command[0], command, self._environment())  # noqa: S606 - no shell is wanted

    def restart(self, layout: Layout | None = None, *, timeout: float = DRAIN) -> RunnerInfo:
        """Stop the runner and start it again; the embedded services go on.

        Args:
            layout: Which processes to start; None for those of the last start.
            timeout: Seconds that running steps get to end.

        Raises:
            ServiceError: Database or broker does not answer; the runner goes on as it is.
            RunnerError: It does not start again.
        """
        # As long as this process uses embedded services, no other stops them.
        self._check_services()
        self._end(timeout)
        return self.start(layout or self.layout() or Layout())

    def run_flower(self, address: str, port: int, *, browser: bool = False) -> NoReturn:
        """Become Flower: this process is replaced.

        Args:
            address: Address to listen on.
            port: Port to take; 0 for any.
            browser: Whether to open it in a browser.
        """
        from jfcelery.services import ensure

        self.folder.make()
        ensure(self.project)
        command = [sys.executable, "-P", "-m", "jfcelery.tasks.flower_app"]
        command += ["--folder", str(self.folder.path), "--port", str(port)]
        command += ["--address", address]
        command += ["--browser"] if browser else []
        os.execve(command[0], command, self._environment())  # noqa: S606 - no shell is wanted

    def stop(self, *, timeout: float = DRAIN) -> bool:
        """Stop the runner once its running steps have ended; return whether one ran.

        The warm servers of local jobs end as soon as they have none, the embedded services unless
        another process uses them.

        Args:
            timeout: Seconds after which whatever still runs is killed; 0 kills at once.
        """
        from jfcelery.execution.warm.place import retire
        from jfcelery.services import stop_if_unused

        ran = self._end(timeout)
        retire(self.project)
        stop_if_unused(self.project)
        return ran

    def tell_to_stop(self) -> bool:
        """Tell the runner to stop, and do not wait; return whether one runs."""
        supervisor = self._records.supervisor()
        if supervisor and supervisor.phase is not Phase.ENDING:  # a second signal is impatient
            supervisor.send(signal.SIGTERM)
        return supervisor is not None

    def kill(self) -> bool:
        """End all processes of the runner at once; return whether there were any."""
        return self.stop(timeout=0)

    def shutdown(self, *, timeout: float = DRAIN) -> bool:
        """Stop the runner, and the embedded services even if somebody uses them.

        Return whether a runner ran.

        Args:
            timeout: Seconds after which whatever still runs is killed.
        """
        from jfcelery.services import stop

        ran = self.stop(timeout=timeout)
        stop(self.project)
        return ran

    def reset(self) -> bool:
        """End and forget what a supervisor that was killed left behind; return whether any.

        Raises:
            RunnerRunningError: The supervisor lives.
        """
        if self._records.supervisor():
            raise self._running()
        left = self._records.all()
        self.stop()
        return bool(left)

    def _end(self, timeout: float) -> bool:
        living = self._records.living()
        supervisor = self._records.supervisor()
        if supervisor and timeout > 0:
            self._stop_supervisor(supervisor, timeout)
        elif supervisor:  # it first, or it starts the others again
            end([supervisor], grace=0)
        end(self._records.living(), grace=timeout)
        self._records.forget_dead()
        return bool(living)

    def _stop_supervisor(self, supervisor: Record, timeout: float) -> None:
        """Have the supervisor end its processes; kill those of them that take too long."""
        self.tell_to_stop()
        deadline = time.monotonic() + timeout
        while members := self._members():
            if time.monotonic() > deadline:
                end(members, grace=0)
                break
            await_end(members, timeout=max(deadline - time.monotonic(), 0))
        if not await_end([supervisor], timeout=STOP_MARGIN):
            end([supervisor], grace=0)

    def _members(self) -> list[Record]:
        return [record for record in self._records.living() if record.name != SUPERVISOR]

    def _running(self) -> RunnerRunningError:
        supervisor = self._records.supervisor()
        if supervisor and supervisor.phase is Phase.ENDING:
            return RunnerRunningError(
                f"the last runner of project {self.project.name!r} is still ending its steps",
                remedy="Wait for it, or end it at once: `jfc runner kill`.",
            )
        which = f" (process {supervisor.pid})" if supervisor else ""
        return RunnerRunningError(
            f"project {self.project.name!r} already has a runner on this machine{which}",
            remedy="See `jfc runner info`; use `jfc runner restart` to start it anew.",
        )

    def _not_started(self) -> RunnerError:
        return RunnerError(
            f"the runner did not start: {last_line(self.folder.launch) or 'it says nothing'}",
            remedy=f"Its log: {self.folder.launch}",
        )

    def _await_work(self, timeout: float) -> RunnerInfo:
        deadline = time.monotonic() + timeout
        while (info := self.info()).state is not RunnerState.RUNNING:
            if info.supervisor is None:
                raise self._not_started()
            late = [process for process in info.processes[1:] if not process.ready]
            failing = any(process.state in {"failing", "fatal"} for process in late)
            if failing or time.monotonic() > deadline:
                told = ((p, p.words or last_line(p.log) or "it says nothing") for p in late)
                words = "; ".join(f"{p.name} is {p.state}: {said}" for p, said in told)
                raise RunnerError(
                    f"the runner was started, but not all of it works: {words}",
                    remedy="It goes on trying. See `jfc runner info` and the logs in "
                    f"{self.folder.logs}, or end it: `jfc runner stop`.",
                )
            time.sleep(LOOK_INTERVAL)
        return info

    def _prepare(self, layout: Layout) -> list[str]:
        """Return the command of the supervisor, after everything that may be wrong is checked."""
        if self.project.source is None:
            raise RunnerError(
                "a project without a file cannot be run", remedy="Save it: jfc project generate"
            )
        layout.check()
        if self._records.supervisor():
            raise self._running()
        self.folder.make()
        self._check_services()
        return [
            *(sys.executable, "-P", "-m", "jfcelery.tasks.runner.supervise"),
            *("--folder", str(self.folder.path), "--logs", str(self.folder.logs)),
            *("--layout", layout.model_dump_json()),
        ]

    def _check_services(self) -> None:
        """Start what is embedded, and see that database and broker answer.

        Raises:
            ServiceError: One of them does not.
        """
        from jfcelery.database.connection import open_queue
        from jfcelery.services import check_broker, ensure

        ensure(self.project)
        check_broker(self.project)
        open_queue(self.project)

    def _environment(self) -> dict[str, str]:
        """Return an environment that names the project, for the supervisor and its children."""
        source = self.project.source
        folder = {"JFCELERY_PROJECTS_FOLDER": str(source.parent)} if source else {}
        return {**os.environ, **folder, "JFCELERY_PROJECT": self.project.name}
