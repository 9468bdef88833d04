"""Where the warm servers of a project are on this machine, and how to tell them to end."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import socket
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project, WorkerBase

#: Bytes that the path of the folder may have, so that those of the sockets in it are short enough
#: for every system (macOS: 103).
LONGEST_PATH = 80
#: Seconds to wait for a server to end that has no jobs: it may just be importing.
END_SECONDS = 30.0

#: What a script runs to have its job run warm.
CLIENT = Path(__file__).with_name("call.py")
_SOCKET = re.compile(r"[0-9a-f]{16}")


def warm_folder(project: Project) -> Path:
    """Return the folder of the sockets of a project's warm servers, and of their log.

    It lies below ``daemon_dir`` where that has a short path, else in /tmp.
    """
    machine = re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node()) or "localhost"
    near = Path(project.daemon_dir) / machine / "warm"
    if len(os.fsencode(near)) <= LONGEST_PATH:
        return near
    digest = sha256(os.fsencode(near)).hexdigest()[:16]
    return Path("/tmp") / f"jfcw-{os.getuid()}-{digest}"  # noqa: S108  # the client looks whose it is


def warm_command(project: Project, worker: WorkerBase) -> str:
    """Return the command that runs a job warm; ``{}`` stands for its run folder."""
    modules = project.preload if worker.preload is None else worker.preload
    words = (sys.executable, "-I", "-S", CLIENT, warm_folder(project), ",".join(modules) or "-")
    return shlex.join(str(word) for word in words).replace("{", "{{").replace("}", "}}") + " {}"


def retire(project: Project, *, timeout: float = END_SECONDS) -> bool:
    """Have the warm servers of a project on this machine end; return whether there were any.

    A server that has running jobs takes no new ones, and ends when they have ended.

    Args:
        project: The project.
        timeout: Seconds to wait for those that have no jobs.
    """
    return retire_all(warm_folder(project), timeout=timeout)


def retire_all(folder: Path, *, timeout: float = END_SECONDS) -> bool:
    """Have the servers of a folder end, as ``retire`` does."""
    lines = list(_retiring(folder))
    deadline = time.monotonic() + timeout
    for line in lines:
        with contextlib.suppress(OSError), line:
            line.settimeout(max(deadline - time.monotonic(), 0.1))
            while line.recv(256):
                pass
    return bool(lines)


def _retiring(folder: Path) -> Iterator[socket.socket]:
    """Tell the servers of a folder to retire; yield the connections to those that were there."""
    paths = list(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if not _SOCKET.fullmatch(path.name):
            continue
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(path))
            line.sendall(b"retire ".ljust(15, b"0"))
        except OSError:
            line.close()
            continue
        yield line
