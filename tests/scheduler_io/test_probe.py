"""What trying out a worker says of its environment."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ConfigError
from jfcelery.project import LocalWorker, RemoteWorker
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.probe import environment, probe_worker

if TYPE_CHECKING:
    from tests.support.projects import ProjectFactory


def worker(pre_run: str | None) -> Any:
    """Return a worker with some lines before each job; this machine stands for its host."""
    options = {"scheduler_type": "shell", "work_dir": Path("/tmp"), "pre_run": pre_run}
    return RemoteWorker(host="far.example.org", **options)


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


def test_a_local_worker_has_the_environment_that_its_jobs_find(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without more, that of the runner; what ``pre_run`` activates goes before it."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    options = {"scheduler_type": "shell", "work_dir": Path("/tmp")}
    program = str(Path(sys.executable).parent / "jfc")
    plain = environment(LocalHost(), LocalWorker(**options))
    assert plain.startswith(f"{program}, python {platform.python_version()}, jfcelery ")
    other = tmp_path / "jfc"
    other.write_text(f"#!{sys.executable}\n")
    other.chmod(0o755)
    activated = LocalWorker(pre_run=f"export PATH={tmp_path}:$PATH", **options)
    assert environment(LocalHost(), activated).startswith(f"{other}, python ")


def test_a_module_to_preload_that_is_not_there_is_named(make_project: ProjectFactory) -> None:
    """Jobs would start cold, and nobody would know why; without `preload` nothing is said."""
    here = {"type": "local", "scheduler_type": "shell", "work_dir": "/tmp"}
    workers = {"here": here, "cold": {**here, "warm": False}, "own": {**here, "preload": []}}
    project = make_project(workers=workers, preload=["json", "sqlite33"])

    def said(name: str) -> list[tuple[bool, str]]:
        found = list(probe_worker(project, name))
        return [(one.ok, one.detail) for one in found if one.what == "preload"]

    ((ok, detail),) = said("here")
    assert not ok
    assert detail == ("sqlite33 cannot be imported (No module named 'sqlite33'); jobs start cold")
    assert said("cold") == said("own") == []
