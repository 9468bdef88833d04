"""A host for tests: real folders and a real shell on this machine, faults and answers as scripted.

host = SimulatedHost()
host.answer(r"^squeue", CommandResult(0, "", ""))
host.fail("publish", DiskFullError("full"), when="before", times=2)
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jfcelery.scheduler_io.hosts.base import DEFAULT_TIMEOUT, CommandResult
from jfcelery.scheduler_io.hosts.local import LocalHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePath, PurePosixPath

    from jfcelery.errors import JfceleryError
    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.hosts.parcels import Publication, Retrieval

Operation = Literal["run", "publish", "publish_all", "fetch", "fetch_all", "read_text", "remove"]
When = Literal["before", "after"]


@dataclass
class _Fault:
    operation: Operation
    error: Exception
    when: When
    matching: re.Pattern[str]
    times: int


class SimulatedHost(LocalHost):
    """This machine in the part of a remote one; thread-safe.

    Args:
        name: How it is called in messages.
        timeout: Seconds that a command may take.
    """

    def __init__(self, name: str = "simulated", *, timeout: float = DEFAULT_TIMEOUT) -> None:
        super().__init__(name, timeout=timeout)
        #: What was asked of it, in order: operation, and its command or path.
        self.log: list[tuple[Operation, str]] = []
        self._faults: list[_Fault] = []
        self._answers: list[tuple[re.Pattern[str], Callable[[str, bytes], CommandResult]]] = []
        self._lock = threading.Lock()

    def fail(
        self,
        operation: Operation,
        error: Exception,
        *,
        when: When = "before",
        matching: str = "",
        times: int = 1,
    ) -> None:
        """Have an operation raise an error.

        Args:
            operation: The method's name.
            error: What it raises, such as ``ConnectionLostError("cut")``.
            when: Before it has its effect, or after: the caller cannot tell.
            matching: Only where this regular expression is found in the command or path.
            times: How often; afterwards all is well again.
        """
        with self._lock:
            self._faults.append(_Fault(operation, error, when, re.compile(matching), times))

    def answer(
        self, pattern: str, answer: CommandResult | Callable[[str, bytes], CommandResult]
    ) -> None:
        """Answer commands in place of the shell.

        Args:
            pattern: Regular expression to find in the command; the latest that matches counts.
            answer: The result, or a function of command and input that returns it.
        """
        function = answer if callable(answer) else lambda _command, _stdin: answer
        with self._lock:
            self._answers.insert(0, (re.compile(pattern), function))

    def count(self, operation: Operation, matching: str = "") -> int:
        """Return how often an operation was asked for."""
        with self._lock:
            return sum(1 for op, what in self.log if op == operation and re.search(matching, what))

    @contextmanager
    def _under(self, operation: Operation, what: object) -> Iterator[None]:
        with self._lock:
            self.log.append((operation, str(what)))
        self._raise(operation, "before", str(what))
        yield
        self._raise(operation, "after", str(what))

    def _raise(self, operation: Operation, when: When, what: str) -> None:
        with self._lock:
            for fault in self._faults:
                fits = (fault.operation, fault.when) == (operation, when) and fault.times > 0
                if fits and fault.matching.search(what):
                    fault.times -= 1
                    raise fault.error

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        stall: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Run a command, unless an answer or a fault is scripted for it."""
        with self._under("run", command):
            with self._lock:
                answers = [answer for pattern, answer in self._answers if pattern.search(command)]
            if answers:
                return answers[0](command, stdin)
            return super().run(command, stdin=stdin, timeout=timeout, stall=stall, env=env)

    def publish(self, one: Publication) -> None:
        """Put a run folder in place, unless a fault is scripted."""
        with self._under("publish", one.folder):
            super().publish(one)

    def publish_all(
        self, folders: Sequence[Publication], *, work_dir: PurePosixPath
    ) -> list[JfceleryError | None]:
        """Put many run folders in place, unless a fault is scripted."""
        with self._under("publish_all", " ".join(str(one.folder) for one in folders)):
            return super().publish_all(folders, work_dir=work_dir)

    def fetch(self, folder: RunFolder, patterns: Sequence[str], into: Path) -> list[str]:
        """Copy files of a run folder, unless a fault is scripted."""
        with self._under("fetch", folder):
            return super().fetch(folder, patterns, into)

    def fetch_all(
        self, wanted: Sequence[Retrieval], *, work_dir: PurePath
    ) -> list[JfceleryError | bool]:
        """Copy files of many run folders, unless a fault is scripted."""
        with self._under("fetch_all", " ".join(str(one.folder) for one in wanted)):
            return super().fetch_all(wanted, work_dir=work_dir)

    def read_text(self, path: PurePosixPath, *, tail: int | None = None) -> str | None:
        """Return a text file, unless a fault is scripted."""
        with self._under("read_text", path):
            return super().read_text(path, tail=tail)

    def remove(self, folder: RunFolder, *, owner: Mapping[str, object] | None = None) -> bool:
        """Remove a run folder, unless a fault is scripted."""
        with self._under("remove", folder):
            return super().remove(folder, owner=owner)
