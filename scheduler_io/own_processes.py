"""Jobs as processes of this very machine, started and looked after without a shell in between.

The bash frames that ``WorkerQueue`` shares with remote hosts start a dozen processes for each job.
What they do for a job that was never submitted, and for one that runs or left its final file, is a
few lines; everything else (an earlier try, a lost answer, a job that is gone) is left to them. Both
take the same locks, write the same files and give the same ids.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from jfcelery.scheduler_io.schedulers.base import Listing
from jfcelery.scheduler_io.schedulers.proof import FolderSigns, judge, key_values
from jfcelery.scheduler_io.schedulers.shell import CHILD, STAT_OF, Shell, process_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

    from jfcelery.scheduler_io.hosts.base import Host
    from jfcelery.scheduler_io.queue import Submission
    from jfcelery.scheduler_io.schedulers.base import Answer, QueueJob, Row, Scheduler

#: File systems that answer as long as this machine does.
_NEAR = frozenset(
    ["bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"]
)
_ID = re.compile(r"(\d+)-(\d+)-([\w.]+)@(\S+)")


class OwnProcesses:
    """The jobs of a worker that are processes of this machine.

    Args:
        shell: Knows how their ids look.
        timeout: Seconds that a job's process may take to give its id.
        setsid: Where the program lies that makes a session.
    """

    def __init__(self, shell: Shell, timeout: float, setsid: str) -> None:
        self._shell, self._timeout, self._setsid = shell, timeout, setsid

    @classmethod
    def of(
        cls, host: Host, scheduler: Scheduler, work_dir: PurePath, timeout: float
    ) -> OwnProcesses | None:
        """Return those of a queue, None if its jobs are anything else.

        Nor are they looked at from here if a file server that hangs would hold them: a shell can
        be given up.
        """
        if not isinstance(host, ThisMachine) or not isinstance(scheduler, Shell):
            return None
        setsid = shutil.which("setsid")
        if sys.platform != "linux" or setsid is None:
            return None
        near = file_system_of(work_dir, Path("/proc/self/mounts").read_text()) in _NEAR
        return cls(scheduler, timeout, setsid) if near else None

    # Submission -----------------------------------------------------------------------------

    def submit(self, job: Submission) -> str | None:
        """Start a job that was never submitted; return its id, None if it is for the frame."""
        with suppress(OSError, subprocess.TimeoutExpired), ExitStack() as stack:
            folder = stack.enter_context(_opened(job.folder.path, os.O_RDONLY | os.O_DIRECTORY))
            lock = stack.enter_context(_opened(f".jfc_lock.{job.attempt}", _APPEND, folder))
            for one in (lock, folder):
                fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_fresh(job, folder):
                return self._start(job, folder, lock)
        return None

    def _start(self, job: Submission, folder: int, lock: int) -> str | None:
        """Start a job in its folder, under the lock."""
        name = RunFolder.queue_id(job.attempt)
        with _opened(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, folder) as answer:
            given = (folder, lock, answer)
            try:
                process = subprocess.Popen(
                    [self._setsid, "--fork", "bash", "-c", self._child(given), job.name],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,  # which is closed as soon as the id is written
                    cwd=f"/proc/self/fd/{folder}",
                    pass_fds=given,
                )
            except OSError:
                os.unlink(name, dir_fd=folder)  # it is certain that nothing was started
                raise
            process.communicate(timeout=self._timeout)
            if process.returncode and not os.fstat(answer).st_size:
                os.unlink(name, dir_fd=folder)  # this setsid cannot do it, and has started nothing
                return None
            return self._shell.parse_submit(os.pread(answer, 1000, 0).decode())

    def _child(self, given: Sequence[int]) -> str:
        known = f"place={self._place} machine={shlex.quote(self._machine)}"
        closed = " ".join(f"{one}>&-" for one in given)
        child = CHILD.replace("@ANSWER@", str(given[-1])).replace("@CLOSED@", closed)
        return f"{STAT_OF}\n{known}\n{child}"

    # Looking --------------------------------------------------------------------------------

    def poll(self, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        """Return by id where jobs are that run, or have left their final files.

        The others are for the frame.
        """
        rows = {job.queue_id: self._row(job) for job in jobs}
        # After these: a job that ends between the two is seen as ended.
        signs = {job.queue_id: _signs(job) for job in jobs if rows[job.queue_id]}
        listing = Listing({key: row for key, row in rows.items() if row}, frozenset())
        return {
            job.queue_id: judge(job, listing, signs[job.queue_id])
            for job in jobs
            if job.queue_id in signs
        }

    def _row(self, job: QueueJob) -> Row | None:
        found = _ID.fullmatch(job.queue_id)
        if found is None or found[3] != self._place or found[4] != self._machine:
            return None
        letter, birth = _stat_of(found[1])
        if letter not in "ZX" and birth == found[2]:
            return process_row(job.queue_id, letter)
        if _text(job.folder / RunFolder.end(job.attempt)):
            return process_row(job.queue_id, "ended")
        return None

    @cached_property
    def _place(self) -> str:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = "".join(filter(str.isdigit, str(Path("/proc/self/ns/pid").readlink())))
        return f"{boot}.{space}"

    @cached_property
    def _machine(self) -> str:
        return platform.node()


def file_system_of(path: PurePath, mounts: str) -> str:
    """Return the kind of file system a path lies on, by the lines of ``/proc/mounts``.

    Links are not followed: to look at them may take for ever.
    """
    found, kind = PurePath("/"), ""
    for line in mounts.splitlines():
        place, kind_there = line.split()[1:3]
        mounted = PurePath(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place))
        if path.is_relative_to(mounted) and mounted.is_relative_to(found):
            found, kind = mounted, kind_there
    return kind


_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


@contextmanager
def _opened(path: os.PathLike[str] | str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_fresh(job: Submission, folder: int) -> bool:
    """Return whether a folder is that of this attempt, which nobody has submitted or cancelled."""
    left = (
        RunFolder.queue_id(job.attempt),
        RunFolder.status(job.attempt),
        f".jfc_cancelled.{job.attempt}",
    )
    if not set(left).isdisjoint(os.listdir(folder)):
        return False
    with _opened(RunFolder.SCRIPT, os.O_RDONLY, folder) as script:
        return job.name.encode() in os.pread(script, os.fstat(script).st_size, 0)


def _stat_of(pid: str) -> tuple[str, str]:
    """Return state and time of birth of a process; ``X`` for one that is gone."""
    text = _text(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if fields else ("X", "")


def _signs(job: QueueJob) -> FolderSigns:
    """Return what the folder of a job shows."""
    if end := _text(job.folder / RunFolder.end(job.attempt)):
        return FolderSigns(end=key_values(end), started=True)
    has_begun = _size(job.folder / RunFolder.status(job.attempt)) > 0
    try:
        gone = not Path(job.folder.path).is_dir()
    except OSError:  # it cannot be seen, which is no proof
        gone = False
    return FolderSigns(started=has_begun, gone=gone)


def _size(path: PurePosixPath) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _text(path: os.PathLike[str] | str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
