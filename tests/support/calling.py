"""Calling the real ``jfc`` in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from jfcelery.cli.main import jfc as command


@dataclass(frozen=True)
class Answer:
    """What a call of ``jfc`` left."""

    status: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """What it wrote as JSON."""
        return json.loads(self.stdout)

    @property
    def widest(self) -> int:
        """Length of the longest line on stdout."""
        return max((len(line) for line in self.stdout.splitlines()), default=0)


class Jfc:
    """Calls ``jfc`` on a terminal of 80 columns.

    Args:
        project: Name of the project, given with ``-p``.
    """

    def __init__(self, project: str | None = None) -> None:
        self.project = project

    def __call__(self, *args: str, stdin: str = "", columns: int = 80) -> Answer:
        """Call it, and return what it left."""
        chosen = ["-p", self.project] if self.project else []
        runner = CliRunner(env={"COLUMNS": str(columns)})
        result = runner.invoke(command, [*chosen, *args], input=stdin, prog_name="jfc")
        return Answer(result.exit_code, result.stdout, result.stderr)
