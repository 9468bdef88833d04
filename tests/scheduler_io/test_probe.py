"""What trying out a worker says of its environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jfcelery.errors import ConfigError
from jfcelery.project import LocalWorker
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.probe import environment


def worker(pre_run: str | None) -> Any:
    """Return a worker with some lines before each job."""
    return LocalWorker(scheduler_type="shell", work_dir=Path("/tmp"), pre_run=pre_run)


@pytest.mark.parametrize(
    "pre_run,words",
    [
        ("source /no/such/activate", "/no/such/activate"),
        ("source /no/such/activate; export A=1", "/no/such/activate"),
        ("echo broken >&2; exit 7", "exit code 7, and no jfc was found: broken"),
        ("false", "exit code 1"),
        (None, "no command jfc on the PATH"),
        ("true", "no command jfc on the PATH"),
    ],
)
def test_a_failing_pre_run_is_named_as_the_cause(
    monkeypatch: pytest.MonkeyPatch, pre_run: str | None, words: str
) -> None:
    """Where no jfc is found, what ``pre_run`` said before counts for more."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ConfigError) as caught:
        environment(LocalHost(), worker(pre_run))
    assert words in caught.value.message
    assert ("pre_run" in caught.value.message) is ("jfc on" not in words)


def test_the_versions_of_the_environment_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jfc that the script would find, its Python, and the packages."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    found = environment(LocalHost(), worker("true"))
    assert "python 3." in found
    assert "pre-run" not in found
