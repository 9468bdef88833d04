"""The systemd unit of a runner, for servers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jfcelery.project import Project

#: Seconds that systemd waits beyond the running steps before it kills.
STOP_MARGIN = 60

_UNIT = """\
[Unit]
Description=jfcelery runner of project {name}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
Environment="JFCELERY_PROJECTS_FOLDER={folder}"
Environment="JFCELERY_PROJECT={name}"
Environment="PATH={path}"
ExecStart="{python}" -P -m jfcelery.cli.main runner run --drain {drain}
# The supervisor ends its processes itself; what outlives it is killed.
KillMode=mixed
TimeoutStopSec={timeout}
Restart=on-failure
RestartSec=5
UMask=0077

[Install]
WantedBy={target}
"""


def systemd_unit(project: Project, *, path: str, drain: float, system: bool = False) -> str:
    """Return the text of a systemd unit that runs a project's runner.

    Args:
        project: The project.
        path: ``PATH`` of the processes, where a local scheduler's commands are found.
        drain: Seconds that running steps get to end.
        system: Whether the unit is for the system instead of for one user's own services.
    """
    return _UNIT.format(
        name=_escaped(project.name),
        folder=_escaped(str(project.source.parent if project.source else "")),
        path=_escaped(path),
        python=_escaped(sys.executable),
        drain=round(drain),
        timeout=round(drain) + STOP_MARGIN,
        target="multi-user.target" if system else "default.target",
    )


def _escaped(text: str) -> str:
    """Return a text in which systemd finds nothing to expand or to end the quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
