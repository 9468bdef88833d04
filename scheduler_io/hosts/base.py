"""What every host can do: run commands, and write, read and remove run folders."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from jfcelery.errors import (
    DiskFullError,
    ForeignFolderError,
    HostTimeoutError,
    JfceleryError,
    RunFolderError,
    TransferError,
)
from jfcelery.scheduler_io.hosts import scripts
from jfcelery.scheduler_io.hosts.answers import (
    answer_of,
    answers_of,
    by_number,
    read_answers,
    storage_error,
)
from jfcelery.scheduler_io.hosts.archive import Sink, Source, move_in, pack, read_sums, unpack
from jfcelery.scheduler_io.hosts.deadline import Deadline
from jfcelery.scheduler_io.hosts.parcels import is_asked_for
from jfcelery.scheduler_io.hosts.wire import marked, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePath, PurePosixPath

    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.hosts.parcels import Publication, Retrieval
    from jfcelery.scheduler_io.hosts.process import Process

T = TypeVar("T")

#: Seconds that a command may take where nothing else is said.
DEFAULT_TIMEOUT = 60.0


@dataclass(frozen=True)
class CommandResult:
    """What a command left.

    Args:
        exit_code: Its exit code.
        stdout: What it printed, without what the login printed before it.
        stderr: The end of what it printed there.
    """

    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0


class Host(ABC):
    """A place where commands run and run folders lie.

    Args:
        name: How the host is called in messages.
        timeout: Seconds that a command may take, and that a transfer may stand still.
    """

    def __init__(self, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.name = name
        self.timeout = timeout

    @abstractmethod
    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        """Start a marked script (see ``wire``)."""

    #: How files go, as people say it.
    way = "tar over SSH"

    def close(self) -> None:  # noqa: B027 - a host without connections has nothing to close
        """Close every connection; the next use opens them again."""

    def check(self) -> None:
        """Raise unless the host answers, for commands and for files."""
        self.run("true")

    # Commands -------------------------------------------------------------------------------

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        stall: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Run a shell command and wait for its end.

        Args:
            command: In the language of the host's shell (bash unless the project says otherwise).
            stdin: Its input.
            timeout: Seconds it may take; None: the host's own limit.
            stall: Seconds in which it may say nothing, in place of a limit for the whole.
            env: Environment variables to add.

        Raises:
            HostError: The host or the link to it is in trouble.
            HostTimeoutError: It took too long; its process group was killed if the link held.
        """
        return self._run(command, stdin=stdin, timeout=timeout, stall=stall, env=env)

    def _run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        stall: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        total = self.timeout if timeout is None and stall is None else timeout
        with self._process(command, Deadline(self.name, total=total, stall=stall), env) as process:
            process.send(stdin)
            process.end_input()
            stdout = process.read_all()
            code = process.wait()
        return CommandResult(code, stdout.decode(errors="replace"), process.stderr)

    @contextmanager
    def _process(
        self, script: str, deadline: Deadline, env: Mapping[str, str] | None = None
    ) -> Iterator[Process]:
        token = new_token()
        process = self._start(marked(script, token, env), token, deadline)
        try:
            yield process
        except HostTimeoutError:
            process.kill()
            raise
        finally:
            process.close()

    # Run folders ----------------------------------------------------------------------------

    def publish(self, one: Publication) -> None:
        """Put a run folder in place, whole or not at all, in one round trip.

        A folder of an earlier attempt is moved to ``folder.archived(...)``. One of the same
        attempt is replaced, unless it was submitted already: then it stays as it is.

        Args:
            one: The run folder.

        Raises:
            DiskFullError: The disk or quota is full.
            RunFolderError: No right to write there; something else is there.
            TransferError: The files did not arrive as they were sent.
        """
        script = scripts.publish(one.folder, one.attempt, new_token(), keep=one.keep)
        stdout, stderr = self._send_files(script, one.contents)
        word, rest = answer_of(stdout)
        if word not in {"published", "kept"}:
            raise self._publish_error(one.folder, word, rest, stderr)

    def publish_all(
        self, folders: Sequence[Publication], *, work_dir: PurePosixPath
    ) -> list[JfceleryError | None]:
        """Put many run folders in place, each whole or not at all, in one round trip.

        Args:
            folders: The folders, of one worker.
            work_dir: The worker's; they arrive there before each goes to its place.

        Returns:
            For each, what ``publish`` would raise; None if it is in place.

        Raises:
            HostError: The host failed as a whole, or its disk is full.
            RunFolderError: No right to write in ``work_dir``.
            TransferError: The files did not arrive as they were sent.
        """
        contents: dict[str, bytes | Path] = {}
        rows = []
        for number, one in enumerate(folders):
            keep = "yes" if one.keep else "no"
            rows.append(f"{number}\t{one.attempt}\t{keep}\t{one.folder}\n")
            contents |= {f"{number}/{name}": content for name, content in one.contents.items()}
        contents[scripts.ROWS] = "".join(rows).encode()
        stdout, stderr = self._send_files(scripts.publish_all(work_dir, new_token()), contents)
        answers = answers_of(stdout)
        if ("done", "") not in answers:
            # Some may be in place: to publish them again finds that out.
            word, rest = answers[-1] if answers else ("", "")
            raise self._publish_error(work_dir, word, rest, stderr)
        return [
            self._publication_error(one, *found.partition(" ")[::2])
            for one, found in zip(folders, by_number(answers, len(folders)), strict=True)
        ]

    def _publication_error(self, one: Publication, word: str, said: str) -> JfceleryError | None:
        if word in {"published", "kept"}:
            return None
        return self._publish_error(one.folder, word, said.strip(), said)

    def _send_files(self, script: str, contents: Mapping[str, bytes | Path]) -> tuple[str, str]:
        """Run a script that reads files from its input; return what it printed."""
        deadline = Deadline(self.name, stall=self.timeout)
        with self._process(script, deadline) as process:
            with suppress(BrokenPipeError):  # it stopped reading: its answer says why
                pack(contents, Sink(process.send))
            process.end_input()
            deadline.stretch(process.sent)
            stdout = process.read_all().decode(errors="replace")
            process.wait()
        return stdout, process.stderr

    def _publish_error(
        self, folder: RunFolder | PurePosixPath, word: str, rest: str, stderr: str
    ) -> JfceleryError:
        remedy = "Move the folder away if nothing needs it."
        if word == "foreign":
            text = f"{self.name}: {folder} exists, and is no run folder of jfcelery"
            return RunFolderError(text, remedy=remedy)
        if word == "newer":
            text = f"{self.name}: {folder} belongs to a newer attempt ({rest})"
            return RunFolderError(text, remedy=remedy)
        if word == "busy":
            return TransferError(f"{self.name}: {folder} is in use by another command")
        if word in {"cut-short", "damaged"}:
            return TransferError(f"{self.name}: the files for {folder} arrived {word}")
        return storage_error(self.name, f"cannot write {folder}", stderr)

    def fetch(self, folder: RunFolder, patterns: Sequence[str], into: Path) -> list[str]:
        """Copy files of a run folder to this machine in one round trip, each whole or not at all.

        Args:
            folder: From where.
            patterns: Names or glob patterns; what matches nothing is just absent.
            into: Folder of this machine; made if need be.

        Returns:
            The names of the files that came.

        Raises:
            RunFolderError: The folder is not there, or may not be read.
            TransferError: The files did not arrive as they lie there.
            DiskFullError: The disk of this machine is full.
        """
        arriving = into.with_name(f"{into.name}.{new_token()}")

        def take(source: Source) -> tuple[str, list[str]]:
            word, _ = answer_of(source.readline().decode(errors="replace"))
            return word, self._arrive(source, arriving, own) if word == "files" else []

        own = {"": patterns}
        try:
            (word, names), code, stderr = self._receive_files(scripts.fetch(folder, patterns), take)
            if word == "missing":
                raise RunFolderError(f"{self.name}: the run folder {folder} is not there")
            if word not in {"files", "nothing"} or code:
                raise storage_error(self.name, f"cannot read {folder}", stderr)
            move_in(arriving, into, names)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return names

    def fetch_all(
        self, wanted: Sequence[Retrieval], *, work_dir: PurePath
    ) -> list[JfceleryError | bool]:
        """Copy files of many run folders to this machine in one round trip.

        Args:
            wanted: What, of one worker.
            work_dir: The worker's, below which all of the folders are.

        Returns:
            For each, what ``fetch`` would raise; whether its files came. Those that would be too
            much together with the ones before do not come, and are to be fetched alone.

        Raises:
            HostError: The host failed as a whole.
            TransferError: The files did not arrive as they lie there.
            DiskFullError: The disk of this machine is full.
        """
        arriving = wanted[0].into.with_name(f".bundle.{new_token()}")
        places = [str(one.folder.path.relative_to(work_dir)) for one in wanted]
        patterns = {place: one.patterns for place, one in zip(places, wanted, strict=True)}
        script = scripts.fetch_all(work_dir, list(patterns.items()))

        def take(source: Source) -> tuple[dict[int, str], str, list[str]]:
            said, word = read_answers(source)
            return said, word, self._arrive(source, arriving, patterns) if word == "files" else []

        try:
            (said, word, names), code, stderr = self._receive_files(script, take)
            if word not in {"files", "nothing"} or code:
                raise storage_error(self.name, f"cannot read {work_dir}", stderr)
            came: list[JfceleryError | bool] = []
            for number, (one, place) in enumerate(zip(wanted, places, strict=True)):
                error = self._retrieval_error(one, said.get(number, ""), stderr)
                if error is None and said[number] == "found":
                    own = [n.removeprefix(f"{place}/") for n in names if n.startswith(f"{place}/")]
                    move_in(arriving / place, one.into, own)
                came.append(said[number] == "found" if error is None else error)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return came

    def _retrieval_error(self, one: Retrieval, word: str, stderr: str) -> JfceleryError | None:
        if word in {"found", "later"}:
            return None
        if word == "missing":
            return RunFolderError(f"{self.name}: the run folder {one.folder} is not there")
        return storage_error(self.name, f"cannot read {one.folder}", stderr)

    def _receive_files(self, script: str, take: Callable[[Source], T]) -> tuple[T, int, str]:
        """Run a script that prints files; return what was made of them, exit code and stderr."""
        deadline = Deadline(self.name, stall=self.timeout)
        with self._process(script, deadline) as process:
            process.end_input()
            taken = take(Source(process.receive))
            process.read_all()
            code = process.wait()
        return taken, code, process.stderr

    def _arrive(
        self, source: Source, arriving: Path, wanted: Mapping[str, Sequence[str]]
    ) -> list[str]:
        sums = read_sums(source)
        if strange := next((name for name in sums if not is_asked_for(name, wanted)), None):
            raise TransferError(f"{self.name} sends {strange!r}, which was not asked for")
        try:
            arriving.mkdir(parents=True)
            names = list(unpack(source, sums, arriving))
        except OSError as exc:
            raise DiskFullError(f"this machine: cannot write {arriving.parent}: {exc}") from exc
        if missing := set(sums) - set(names):
            raise TransferError(f"{self.name}: {', '.join(sorted(missing))} did not arrive")
        return names

    def read_text(self, path: PurePosixPath, *, tail: int | None = None) -> str | None:
        """Return a text file, or its last bytes; None if it is not there.

        Raises:
            RunFolderError: It may not be read.
        """
        script = scripts.read_text(path, tail)
        with self._process(script, Deadline(self.name, total=self.timeout)) as process:
            process.end_input()
            source = Source(process.receive)
            word, _ = answer_of(source.readline().decode(errors="replace"))
            text = source.read(1 << 62) if word == "text" else b""
            code = process.wait()
        if word == "missing":
            return None
        if word != "text" or code:
            raise storage_error(self.name, f"cannot read {path}", process.stderr)
        return text.decode(errors="replace")

    def remove(self, folder: RunFolder, *, owner: Mapping[str, object] | None = None) -> bool:
        """Remove a run folder with its archived attempts; never one that jfcelery did not make.

        Args:
            folder: Which.
            owner: What its marker must hold; see ``owner_of``. None: a marker is enough.

        Returns:
            Whether there was one.

        Raises:
            ForeignFolderError: There is one, but jfcelery did not make it for its owner.
            RunFolderError: It could not be removed.
        """
        result = self._run(scripts.remove(folder, owner or {}))
        word, _ = answer_of(result.stdout)
        if word == "foreign":
            raise ForeignFolderError(
                f"{self.name}: {folder} is kept: it holds no marker of the job ({folder.MARKER})",
                remedy="jfcelery did not make it. If it is not needed any more, remove it by hand.",
            )
        if word not in {"yes", "no"}:
            raise storage_error(self.name, f"cannot remove {folder}", result.stderr)
        return word == "yes"
