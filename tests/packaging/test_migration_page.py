"""The page for those who come from jobflow-remote goes through all of its commands."""

from __future__ import annotations

import re

import pytest

from tests.cli.interface import COMMANDS
from tests.support.tree import TREE

PAGE = TREE / "docs" / "migration.md"
#: What jobflow-remote does not have.
OURS = {
    *("job why", "job history", "job logs", "job submit-script", "notify test", "runner systemd"),
    *("project import", "admin import", "plugin list", "demo", "doctor", "watch", "flower"),
    *("submit", "completion", "batch drain"),
}
THEIRS = [path for path in COMMANDS if path and path not in OURS and path.split()[0] != "worker"]


def told() -> set[str]:
    """Return the commands of the first column of the table."""
    table = PAGE.read_text().partition("## Command by command")[2].partition("\n## ")[0]
    first = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("path", THEIRS)
def test_every_command_has_its_row(path: str) -> None:
    """Whoever knows one finds what became of it."""
    assert path in told()


def test_no_row_is_of_a_command_that_does_not_exist() -> None:
    """A command that goes takes its row along."""
    others = {"jf …", "jfc …", "gui", "--files"}
    assert told() - others <= set(THEIRS)
