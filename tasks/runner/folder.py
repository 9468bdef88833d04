"""Where the runner of one project keeps its files on one machine."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import RunnerError

if TYPE_CHECKING:
    from jfcelery.project import Project

#: Bytes of a unix socket's path that are safe everywhere (macOS allows 104); supervisor binds a
#: longer temporary name first.
MAX_SOCKET_PATH = 90


def machine_name() -> str:
    """Return this machine's name, fit for a file name and a Celery node name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()) or "localhost"


@dataclass(frozen=True)
class RunnerFolder:
    """All paths of a project's runner on this machine.

    They lie apart for each machine, because ``daemon_dir`` may be on a file system that several
    machines share.

    Args:
        path: The folder itself, readable by its owner only.
        logs: The folder of the processes' logs.
    """

    path: Path
    logs: Path

    @classmethod
    def of(cls, project: Project) -> RunnerFolder:
        """Return the runner's folder of a project on this machine."""
        machine = machine_name()
        return cls(Path(project.daemon_dir) / machine, Path(project.log_dir) / machine)

    @property
    def lock(self) -> Path:
        """The file that the one runner keeps locked."""
        return self.path / "runner.lock"

    @property
    def configuration(self) -> Path:
        """What supervisor reads."""
        return self.path / "supervisord.conf"

    @property
    def layout(self) -> Path:
        """Which processes the runner was last started with (JSON)."""
        return self.path / "layout.json"

    @property
    def flower(self) -> Path:
        """User, password and port of Flower (JSON)."""
        return self.path / "flower.json"

    @property
    def records(self) -> Path:
        """The folder of the records, one for each process."""
        return self.path / "processes"

    @property
    def launch(self) -> Path:
        """What the supervisor's process wrote to stdout and stderr."""
        return self.logs / "launch.log"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    @property
    def socket(self) -> Path:
        """The unix socket on which supervisor answers.

        Below the folder itself where its path is short enough for a socket, else in a private
        folder of /tmp.
        """
        near = self.path / "supervisor.sock"
        if len(os.fsencode(near)) <= MAX_SOCKET_PATH:
            return near
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path("/tmp") / f"jfc-{os.getuid()}-{digest}" / "s"  # noqa: S108 - checked by `make`

    def make(self) -> None:
        """Make all folders that are not there yet.

        Raises:
            RunnerError: One cannot be made, or belongs to somebody else.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.records, self.socket.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _check_private(folder)
        except OSError as error:
            message = f"cannot make the runner's folder {error.filename}: {error.strerror}"
            raise RunnerError(
                message, remedy="Set `daemon_dir` or `log_dir` in the project."
            ) from (error)


def _check_private(folder: Path) -> None:
    """Refuse a folder of another person; close it to everyone but its owner."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise RunnerError(
            f"the runner's folder {folder} belongs to somebody else",
            remedy="Remove it, or set `daemon_dir` in the project file.",
        )
    folder.chmod(0o700)
