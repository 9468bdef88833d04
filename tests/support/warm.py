"""Runs jobs in real processes of their own, without paying for each start of Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jfcelery.errors import NurseryError

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]


class WarmRunner:
    """A nursery in a process of its own.

    Args:
        preload: Modules that it imports beside jobflow.
    """

    def __init__(self, *preload: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of ``tests.support.nursery.Served``."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([method, arguments, options]) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise NurseryError(answer["error"])
        return answer["value"]

    def run(self, folder: Path, **order: Any) -> int:
        """Run the job of a folder; return the exit code."""
        code: int = self.call("wait", self.call("start", str(folder), **order))
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
