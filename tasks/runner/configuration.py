"""What supervisor is told: http://supervisord.org/configuration.html ."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from jfcelery.tasks.runner.layout import Role

if TYPE_CHECKING:
    from pathlib import Path

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
_STDOUT = "/dev/stdout"

_HEAD = """\
[supervisord]
nodaemon=true
silent={silent}
identifier=jfcelery
logfile={log}
logfile_maxbytes={bytes}
logfile_backups={backups}
loglevel=info
pidfile={pidfile}
childlogdir={logs}
nocleanup=true
minfds=256
minprocs=1
umask=077

[unix_http_server]
file={socket}
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
command={command}
autostart=true
autorestart=true
startsecs={startsecs}
startretries={startretries}
stopsignal=TERM
stopwaitsecs={drain}
stdout_logfile={log}
stdout_logfile_maxbytes={bytes}
stdout_logfile_backups={backups}
redirect_stderr=true
"""


def configuration(
    folder: RunnerFolder,
    layout: Layout,
    *,
    password: str,
    supervisor: int,
    foreground: bool = False,
) -> str:
    """Return the text of the supervisor's configuration.

    Args:
        folder: Where the runner's files lie.
        layout: Which processes to start.
        password: What a client of the supervisor must know.
        supervisor: The supervisor's own process id.
        foreground: Whether all logs go to stdout instead of into files.
    """
    members = layout.members()
    head = _HEAD.format(
        silent="false" if foreground else "true",
        log="/dev/null" if foreground else _escaped(folder.log("supervisor")),
        bytes=0 if foreground else LOG_BYTES,
        backups=LOG_BACKUPS,
        pidfile=_escaped(folder.path / "supervisord.pid"),
        logs=_escaped(folder.logs),
        socket=_escaped(folder.socket),
        user=USER,
        password=_escaped(password),
        group=GROUP,
        programs=",".join(member.name for member in members),
    )
    programs = (
        _program(
            member.name,
            member_command(folder, layout, member, supervisor),
            layout.drain,
            _STDOUT if foreground else _escaped(folder.log(member.name)),
        )
        for member in members
    )
    return head + "".join(programs)


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
    command += ["--log-level", layout.log_level]
    return [*command, "--beat"] if member.beat else command


def _program(name: str, command: list[str], drain: float, log: str) -> str:
    return _PROGRAM.format(
        name=name,
        command=_escaped(shlex.join(command)),
        startsecs=START_SECONDS,
        startretries=START_RETRIES,
        drain=round(drain),
        log=log,
        bytes=0 if log == _STDOUT else LOG_BYTES,
        backups=LOG_BACKUPS,
    )


def _escaped(value: str | Path) -> str:
    """Return a value in which supervisor finds nothing to expand."""
    return str(value).replace("%", "%%")
