"""Each benchmark is one command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = [
    path.name
    for path in sorted((ROOT / "tests/benchmarks").glob("*.py"))
    if "@click.command" in path.read_text()
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_one_command(name: str) -> None:
    """It starts and says what it takes; the page with its figures tells how to run it."""
    argv = [sys.executable, str(ROOT / "tests/benchmarks" / name), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {name} ")
    assert f"tests/benchmarks/{name}" in (ROOT / "docs/performance.md").read_text()
