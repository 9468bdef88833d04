"""What supervisor is told: http://supervisord.org/configuration.html ."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.tasks.runner.layout import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.tasks.runner.folder import RunnerFolder
    from jfcelery.tasks.runner.layout import Layout, Member

#: Name of the supervisor's group: its members are stopped together, not one after the other.
GROUP = "jfcelery"
#: User name with which supervisor lets a client in.
USER = "jfcelery"
#: Size of a log in bytes before a new one is begun, and how many old ones are kept.
LOG_BYTES, LOG_BACKUPS = 20 * 2**20, 5
#: Seconds that a process must live to count as started.
START_SECONDS = 1
#: Starts that supervisor tries before it gives a process up; it waits a second longer each time.
#: Processes hold off by themselves after an error that they understand (see `worker`).
START_RETRIES = 1000

#: Module that each role runs.
_MODULES = {
    Role.ALL: "jfcelery.tasks.runner.worker",
    Role.CONTROL: "jfcelery.tasks.runner.worker",
    Role.HOSTS: "jfcelery.tasks.runner.worker",
    Role.FLOWER: "jfcelery.tasks.flower_app",
}

#: Where all logs go in the foreground.
STDOUT = "/dev/stdout"

_HEAD = """\
[supervisord]
nodaemon=true
silent={silent}
identifier=jfcelery
logfile=%(ENV_SUPERVISOR_LOG)s
logfile_maxbytes={bytes}
logfile_backups={backups}
loglevel=info
pidfile=%(ENV_PIDFILE)s
childlogdir=%(ENV_LOGS)s
nocleanup=true
minfds=256
minprocs=1
umask=077
{user_line}

[unix_http_server]
file=%(ENV_SOCKET)s
chmod=0600
username={user}
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[group:{group}]
programs={programs}
"""

_PROGRAM = """
[program:{name}]
command=%(ENV_COMMAND_{name})s
autostart=true
autorestart=true
startsecs={startsecs}
startretries={startretries}
stopsignal=TERM
stopwaitsecs={drain}
stdout_logfile=%(ENV_LOG_{name})s
stdout_logfile_maxbytes={bytes}
stdout_logfile_backups={backups}
redirect_stderr=true
"""


@dataclass(frozen=True)
class Configuration:
    """What supervisor is told.

    Args:
        text: The configuration file.
        values: What supervisor puts in the place of ``%(ENV_...)s``: paths and commands, in
            which a blank and a ``;`` or ``#`` would otherwise begin a comment.
    """

    text: str
    values: Mapping[str, str]


def configuration(
    folder: RunnerFolder,
    layout: Layout,
    *,
    password: str,
    supervisor: int,
    foreground: bool = False,
) -> Configuration:
    """Return what supervisor is told.

    Args:
        folder: Where the runner's files lie.
        layout: Which processes to start.
        password: What a client of the supervisor must know.
        supervisor: The supervisor's own process id.
        foreground: Whether all logs go to stdout instead of into files.
    """
    members = layout.members()
    log_bytes = 0 if foreground else LOG_BYTES
    head = _HEAD.format(
        silent=str(not foreground).lower(),
        bytes=log_bytes,
        backups=LOG_BACKUPS,
        user_line="user=root" if os.getuid() == 0 else "",  # else it complains, as root only
        user=USER,
        password=password,
        group=GROUP,
        programs=",".join(member.name for member in members),
    )
    programs = (
        _PROGRAM.format(
            name=member.name,
            startsecs=START_SECONDS,
            startretries=START_RETRIES,
            drain=round(layout.drain),
            bytes=log_bytes,
            backups=LOG_BACKUPS,
        )
        for member in members
    )
    values = _values(folder, foreground=foreground)
    for member in members:
        command = member_command(folder, layout, member, supervisor)
        log = STDOUT if foreground else str(folder.log(member.name))
        values[f"ENV_COMMAND_{member.name}"] = shlex.join(command)
        values[f"ENV_LOG_{member.name}"] = log.replace("%", "%%")  # it is expanded twice
    return Configuration(head + "".join(programs), values)


def _values(folder: RunnerFolder, *, foreground: bool) -> dict[str, str]:
    log = Path(os.devnull) if foreground else folder.log("supervisor")
    paths = {
        "SUPERVISOR_LOG": log,
        "PIDFILE": folder.path / "supervisord.pid",
        "LOGS": folder.logs,
        "SOCKET": folder.socket,
    }
    return {f"ENV_{name}": str(path) for name, path in paths.items()}


def member_command(
    folder: RunnerFolder, layout: Layout, member: Member, supervisor: int
) -> list[str]:
    """Return the command line of one process.

    ``-P`` keeps the working directory off the import path: a ``redis.py`` there would be taken
    for the real one.
    """
    command = [sys.executable, "-P", "-m", _MODULES[member.role], "--name", member.name]
    command += ["--folder", str(folder.path), "--supervisor", str(supervisor)]
    if member.role is Role.FLOWER:
        return [*command, "--port", str(layout.flower_port)]
    command += ["--role", member.role, "--concurrency", str(layout.concurrency)]
    command += ["--log-level", layout.log_level, *(["--events"] if layout.flower else [])]
    return [*command, "--beat"] if member.beat else command
