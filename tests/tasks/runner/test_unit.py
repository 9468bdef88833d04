"""The systemd unit."""

from __future__ import annotations

import configparser
import sys
from typing import TYPE_CHECKING

from jfcelery.tasks.runner.unit import systemd_unit

if TYPE_CHECKING:
    from jfcelery.project import Project


def parsed(
    project: Project, *, drain: float = 60, system: bool = False
) -> configparser.RawConfigParser:
    """Return the unit of a project, read back."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(systemd_unit(project, path="/bin", drain=drain, system=system))
    return parser


def test_service(project: Project) -> None:
    """The unit runs the project's runner in the foreground and gives it time to end."""
    service = parsed(project, drain=300.0)["Service"]
    assert service["ExecStart"].startswith(f'"{sys.executable}" -P -m jfcelery.cli.main runner run')
    assert float(service["TimeoutStopSec"]) > 300
    assert service["KillMode"] == "mixed"


def test_target(project: Project) -> None:
    """A user's unit starts with the user's services, a system's with the machine."""
    assert parsed(project)["Install"]["WantedBy"] == "default.target"
    assert parsed(project, system=True)["Install"]["WantedBy"] == "multi-user.target"


def test_escaped(project: Project) -> None:
    """A name with what systemd would expand arrives as it is."""
    named = project.model_copy(update={"name": "100% $HOME"})
    text = systemd_unit(named, path="/bin", drain=1)
    assert "Description=jfcelery runner of project 100%% $$HOME" in text
