"""Where an embedded service keeps its files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from jfcelery.errors import ServiceStartError

#: Bytes that a unix socket's path may have on every system (Linux 107, macOS 103).
SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class ServiceFiles:
    """The files of one service.

    Args:
        base: ``base_dir`` of the project.
        log: The service's log file.
        name: Name of the service.
    """

    base: Path
    log: Path
    name: str

    @property
    def folder(self) -> Path:
        """Return the folder of all but the log."""
        return self.base / "services" / self.name

    @property
    def data(self) -> Path:
        """Return the folder that the server calls its own."""
        return self.folder / "data"

    @property
    def record(self) -> Path:
        """Return the file that tells where the service runs."""
        return self.folder / "record.json"

    @property
    def credentials(self) -> Path:
        """Return the file with user and password."""
        return self.folder / "credentials.json"

    @property
    def pid(self) -> Path:
        """Return the file into which the server writes its pid before anything else."""
        return self.folder / "pid"

    @property
    def start_lock(self) -> Path:
        """Return the lock held by whoever starts or stops the service."""
        return self.folder / "start.lock"

    @property
    def alive_lock(self) -> Path:
        """Return the lock that the server itself holds as long as it lives."""
        return self.folder / "alive.lock"

    @property
    def users_lock(self) -> Path:
        """Return the lock shared by the processes that use the project's services."""
        return self.base / "services" / "users.lock"

    def make(self) -> None:
        """Make the folders, closed to others.

        Raises:
            ServiceStartError: They cannot be made or written to.
        """
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder.parent, self.folder, self.data):
                folder.chmod(0o700)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a"), self.start_lock.open("a"):
                pass
        except OSError as error:
            raise ServiceStartError(
                f"The embedded {self.name} cannot write to "
                f"{error.filename or self.folder}: {error.strerror}",
                remedy="Set base_dir and log_dir of the project to folders that you may write to.",
            ) from error

    def socket(self) -> Path:
        """Return a path, short enough, for a unix socket.

        Raises:
            ServiceStartError: No folder will do.
        """
        near = self.folder / "socket"
        return near if _short(near) else _runtime_folder(self.folder) / "socket"


def _short(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES


def _runtime_folder(folder: Path) -> Path:
    """Return a folder of ours with a short path, the same one for every process of the user.

    Not XDG_RUNTIME_DIR: it goes away at the last logout, and the runner stays.
    """
    import hashlib
    import tempfile

    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    why = "their paths are too long"
    for parent in dict.fromkeys(("/tmp", tempfile.gettempdir())):  # noqa: S108 - owner and mode are checked below
        path = Path(parent) / f"jfc-{os.getuid()}-{digest}"
        if not _short(path / "socket"):
            continue
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            why = f"{path}: {error.strerror}"
            continue
        if _ours(path):
            return path
        why = f"{path} is not a folder that only you may enter"
    raise ServiceStartError(
        f"No folder for a unix socket: {folder} is too long a path, and {why}",
        remedy="Set base_dir to a shorter path, or name a Redis under 'broker' in the project.",
    )


def _ours(path: Path) -> bool:
    info = path.lstat()
    private = not info.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and private
