"""Files by SFTP, for hosts that run no commands, or whose administrators want it so.

One archive goes there, or comes back, whatever the number of files; a command packs or unpacks it,
the very one that a tar stream goes through. So what holds for that holds here: temporary name,
checksums, rename. The command may run on another host that sees the same files.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from jfcelery.errors import (
    ConnectionFailedError,
    JfceleryError,
    NotOfferedError,
    TransferError,
)
from jfcelery.scheduler_io.hosts import sftp_scripts
from jfcelery.scheduler_io.hosts.answers import storage_error
from jfcelery.scheduler_io.hosts.archive import Sink, Source, pack
from jfcelery.scheduler_io.hosts.base import Host
from jfcelery.scheduler_io.hosts.deadline import Deadline
from jfcelery.scheduler_io.hosts.wire import new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePosixPath

    from jfcelery.scheduler_io.hosts.process import Process
    from jfcelery.scheduler_io.hosts.sftp_session import Door, Session

T = TypeVar("T")
logger = logging.getLogger(__name__)

#: Bytes to write at most in order to hear why SFTP could not.
MOST_TRIED = 64 * 1024 * 1024


class SftpHost(Host):
    """A host whose files go by SFTP.

    Args:
        door: Where SFTP sessions are opened.
        commands: Lends the host on which commands run.
        spool: The folder through which archives go: the worker's ``work_dir``.
    """

    def __init__(
        self,
        door: Door,
        *,
        commands: Callable[[], AbstractContextManager[Host]],
        spool: PurePosixPath,
    ) -> None:
        super().__init__(door.name, timeout=door.timeout)
        self._door, self._commands, self._spool = door, commands, spool

    way = "SFTP"

    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        with ExitStack() as stack:
            host = stack.enter_context(self._commands())
            process = host._start(script, token, deadline)  # noqa: SLF001 - a host too
            process.resources.push(stack.pop_all())
        return process

    def check(self) -> None:
        """Raise unless the host and that of its commands answer."""
        with self._door.sftp(Deadline(self.name, total=self.timeout)) as session:
            session.size(str(self._spool))
        super().check()

    def _new_archive(self) -> PurePosixPath:
        return self._spool / f"{sftp_scripts.ARCHIVE}-{new_token()}"

    # There ----------------------------------------------------------------------------------

    def _send_files(self, script: str, contents: Mapping[str, bytes | Path]) -> tuple[str, str]:
        """Bring the files as one archive, and run a script that reads it."""
        archive, began = self._new_archive(), time.monotonic()
        size = self._put(archive, contents)
        # To unpack and check takes no longer than it took to bring.
        deadline = Deadline(self.name, total=self.timeout + time.monotonic() - began)
        script = sftp_scripts.from_archive(archive, size, script)
        try:
            with self._process(script, deadline) as process:
                process.end_input()
                stdout = process.read_all().decode(errors="replace")
                process.wait()
        except BaseException:
            self._discard(archive)
            raise
        return stdout, process.stderr

    def _discard(self, archive: PurePosixPath) -> None:
        """Remove an archive that no command has read, as far as the link allows it."""
        with (
            contextlib.suppress(OSError, JfceleryError),
            self._door.sftp(Deadline(self.name, total=self.timeout)) as session,
        ):
            session.remove(str(archive))

    def _put(self, archive: PurePosixPath, contents: Mapping[str, bytes | Path]) -> int:
        """Write an archive, and return its size."""
        sent = 0
        with self._door.sftp(Deadline(self.name, stall=self.timeout)) as session:
            try:
                session.make_folder(str(self._spool))
                writer = session.writer(str(archive))
            except OSError as exc:
                raise storage_error(self.name, f"cannot write {archive}", _said(exc)) from exc
            trouble: OSError | None = None

            def send(data: bytes) -> bool:
                nonlocal trouble
                try:
                    return writer.send(data)
                except OSError as exc:
                    trouble = exc
                    return False

            with contextlib.suppress(BrokenPipeError):
                pack(contents, Sink(send))
            writer.close()
            sent = writer.sent
            if trouble is None and session.size(str(archive)) == sent:
                return sent
        raise self._why_not(archive, sent, trouble)

    def _why_not(self, archive: PurePosixPath, sent: int, trouble: OSError | None) -> JfceleryError:
        """Return why an archive could not be written; SFTP's own word for it is "Failure"."""
        result = self._run(sftp_scripts.fill(archive, min(sent, MOST_TRIED)))
        said = result.stderr.strip() or _said(trouble)
        if not said:
            return TransferError(f"{self.name}: {archive} did not arrive whole")
        return storage_error(self.name, f"cannot write {archive}", said)

    # And back -------------------------------------------------------------------------------

    def _receive_files(self, script: str, take: Callable[[Source], T]) -> tuple[T, int, str]:
        """Have a script print into an archive, and fetch that."""
        archive = self._new_archive()
        deadline = Deadline(self.name, stall=self.timeout)
        with self._process(sftp_scripts.into_archive(archive, script), deadline) as process:
            process.end_input()
            printed = process.read_all().decode(errors="replace").split()
            code = process.wait()
        if not printed:
            raise storage_error(self.name, f"cannot write {archive}", process.stderr)
        with self._door.sftp(Deadline(self.name, stall=self.timeout)) as session:
            try:
                self._await(session, archive, int(printed[-1]))
                return take(Source(session.reader(str(archive)).receive)), code, process.stderr
            except OSError as exc:
                raise storage_error(self.name, f"cannot read {archive}", _said(exc)) from exc
            finally:
                with contextlib.suppress(OSError, JfceleryError):
                    session.remove(str(archive))

    def _await(self, session: Session, archive: PurePosixPath, size: int) -> None:
        """Wait until a file that another machine has written is seen whole."""
        for _ in range(sftp_scripts.VISIBLE_TRIES):
            if session.size(str(archive)) == size:
                return
            time.sleep(1)
        raise TransferError(f"{self.name}: {archive} is not seen whole there")


def _said(exc: OSError | None) -> str:
    """Return what an SFTP server said, in the words of the system where it has such."""
    if exc is None:
        return ""
    words = {errno.EACCES: "Permission denied", errno.ENOENT: "No such file or directory"}
    return words.get(exc.errno or 0, str(exc))


class EitherHost(Host):
    """A host whose files go one way or, where that is not offered, the other.

    Args:
        first: The way to try first.
        second: The other.
    """

    def __init__(self, first: Host, second: Host) -> None:
        super().__init__(first.name, timeout=first.timeout)
        self._ways = first, second

    @property
    def way(self) -> str:  # type: ignore[override]
        """How files go."""
        return self._ways[0].way

    def close(self) -> None:
        """Close every connection; the next use opens them again."""
        for way in self._ways:
            way.close()

    def _either(self, what: str, *args: Any, **kwargs: Any) -> Any:
        first, second = self._ways  # another thread may turn them round meanwhile
        try:
            return getattr(first, what)(*args, **kwargs)
        except NotOfferedError as no_first:
            try:
                result = getattr(second, what)(*args, **kwargs)
            except NotOfferedError as no_second:
                text = f"{self.name}: no way for files: {no_first.message}; {no_second.message}"
                raise ConnectionFailedError(text, remedy=no_first.remedy) from no_second
            logger.info("%s; files go the other way", no_first.message)
        # What is not offered now will not be soon; the other way finds out if that changes.
        self._ways = second, first
        return result

    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        return self._ways[0]._start(script, token, deadline)  # noqa: SLF001 - a host too

    def check(self) -> None:
        """Raise unless the host answers."""
        self._either("check")

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("_run", *args, **kwargs)

    def _send_files(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("_send_files", *args, **kwargs)

    def _receive_files(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("_receive_files", *args, **kwargs)

    def read_text(self, *args: Any, **kwargs: Any) -> Any:
        """Return a text file, or its last bytes; None if it is not there."""
        return self._either("read_text", *args, **kwargs)
