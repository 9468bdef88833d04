"""Starting a server that outlives whoever starts it."""

from __future__ import annotations

import os
import subprocess
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from jfcelery.errors import ServiceStartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jfcelery.services.locks import LockFile

#: Seconds that a new process may take to write down its pid.
PID_SECONDS = 20.0
#: Seconds between two looks.
POLL_SECONDS = 0.01
#: Variables that would configure a server behind our back.
FOREIGN_VARIABLES = ("SECANTUS",)

# The outer shell ends at once, so that the server belongs to nobody who could leave it a zombie.
_OUTER = '"$@" &'
# The inner shell becomes the server; even if we die right now, its pid is on disk. It has only
# words of the shell itself, as PATH may lead nowhere.
_INNER = 'umask 077; echo "$$" > "$0" && exec "$@"'


def spawn(
    command: Sequence[str],
    *,
    pid_file: Path,
    log: Path,
    lock: LockFile,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Start a server in a session of its own and return its pid.

    Args:
        command: Program and arguments.
        pid_file: Where the server writes its pid before it runs.
        log: To which its output is appended.
        lock: A lock that it holds as long as it lives.
        variables: Variables of its environment, whatever ours says.

    Raises:
        ServiceStartError: No process came up.
    """
    pid_file.unlink(missing_ok=True)
    shell = "/bin/sh"
    arguments = [shell, "-c", _OUTER, "sh", shell, "-c", _INNER, str(pid_file), *command]
    with log.open("ab") as output:
        subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=pid_file.parent,
            env=_environment() | dict(variables),
            pass_fds=(lock.fileno(),),
            start_new_session=True,
            check=False,
        )
    return _await_pid(pid_file, command[0])


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)
    }


def _await_pid(pid_file: Path, program: str) -> int:
    deadline = time.monotonic() + PID_SECONDS
    while time.monotonic() < deadline:
        if pid := read_pid(pid_file):
            return pid
        time.sleep(POLL_SECONDS)
    raise ServiceStartError(f"{program} did not come up: no {pid_file} was written")


def read_pid(pid_file: Path) -> int | None:
    """Return the pid in a file, None if there is none."""
    try:
        text = pid_file.read_text()
        return int(text) if text.endswith("\n") else None  # else it is being written
    except (OSError, ValueError):
        return None
