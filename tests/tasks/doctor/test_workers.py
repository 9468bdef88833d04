"""What the examination finds of workers: held back, out of reach, with other packages."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import ConnectionLostError
from jfcelery.tasks.doctor import Level, workers
from jfcelery.tasks.doctor.machine import package_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from jfcelery.tasks.doctor import Finding
    from tests.support.projects import ProjectFactory

#: Plays the Python of another environment: it says which versions it has.
OTHER = """#!/bin/sh
echo python {python}
echo jfcelery {jfcelery}
echo jobflow {jobflow}
"""


def bad(found: Iterator[Finding]) -> list[Finding]:
    """Return the findings that ask for something."""
    return [one for one in found if one.level is not Level.OK]


def test_a_host_in_trouble_is_an_error_one_held_back_by_a_person_a_note(
    project: Project,
) -> None:
    """Each with its reason, and the command that goes on."""
    records = HostRecords(JobController.from_project(project).queue)
    records.failed("local", ConnectionLostError("the cable is out"))
    (found,) = bad(workers.breakers(project))
    assert (found.subject, found.level) == ("worker here", Level.ERROR)
    assert found.text == "held back after 1 failures: the cable is out"
    assert found.remedy == "jfc worker test here"
    records.pause("local", "maintenance")
    (found,) = bad(workers.breakers(project))
    assert (found.level, found.text) == (Level.WARNING, "held back by a person: maintenance")
    assert found.remedy == "jfc worker resume here"


@pytest.mark.parametrize(
    "options, words, remedy",
    [
        ({"work_dir": "/proc/nowhere"}, "work_dir: ", "permissions, and the quota"),
        ({"pre_run": "exit 3"}, "environment: ", "pre_run"),
        (
            {"type": "remote", "host": "127.0.0.1", "port": 1, "connect_timeout": 5},
            "login: ",
            "",
        ),
    ],
)
def test_what_keeps_jobs_from_running_is_an_error(
    make_project: ProjectFactory, options: dict[str, Any], words: str, remedy: str
) -> None:
    """Folder, environment, login: what was tried, what came of it, what to do."""
    worker = {"type": "local", "scheduler_type": "shell", "work_dir": "/tmp", **options}
    (found,) = bad(workers.check(make_project(workers={"w": worker})))
    assert (found.subject, found.level) == ("worker w", Level.ERROR)
    assert found.text.startswith(words)
    assert remedy in found.remedy
    assert found.remedy


def environment(folder: Path, **versions: str) -> str:
    """Make an environment with other versions, and return what activates it."""
    here = {name: package_version(name) for name in ("jfcelery", "jobflow")}
    here["python"] = platform.python_version()
    python = folder / "python"
    python.write_text(OTHER.format(**here | versions))
    python.chmod(0o755)
    (folder / "jfc").write_text(f"#!{python}\n")
    (folder / "jfc").chmod(0o755)
    return f"export PATH={folder}:$PATH"


@pytest.mark.parametrize(
    "name, there, words, remedy",
    [
        ("python", "3.99.1", f"Python is 3.99.1 there and {platform.python_version()} here", "3."),
        ("jobflow", "0.0.1", "jobflow is 0.0.1 there and ", "Install jobflow=="),
        ("jfcelery", "0.0.1", "jfcelery is 0.0.1 there and ", "Install jfcelery=="),
    ],
)
def test_other_versions_are_noted(
    make_project: ProjectFactory, tmp_path: Path, name: str, there: str, words: str, remedy: str
) -> None:
    """Those of the environment that ``pre_run`` activates, against those here."""
    worker = {
        "type": "local",
        "scheduler_type": "shell",
        "work_dir": "/tmp",
        "pre_run": environment(tmp_path, **{name: there}),
    }
    (found,) = bad(workers.check(make_project(workers={"w": worker})))
    assert found.level is Level.WARNING
    assert found.text.startswith(words)
    assert remedy in found.remedy
    assert "pre_run" in found.remedy


def test_a_package_that_is_missing_there_is_noted(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """atomate2, if it is here, is wanted there, too; another patch of Python is no matter."""
    minor = ".".join(map(str, sys.version_info[:2]))
    worker = {
        "type": "local",
        "scheduler_type": "shell",
        "work_dir": "/tmp",
        "pre_run": environment(tmp_path, python=f"{minor}.99"),
    }
    project = make_project(workers={"w": worker})
    monkeypatch.setattr(
        workers, "package_version", lambda name: "0.1.5" if name == "atomate2" else ""
    )
    (found,) = bad(workers.check(project))
    assert found.text == "atomate2 is 0.1.5 here and not installed there"
    assert found.remedy.startswith("Install atomate2==0.1.5 in the environment")


def test_the_way_to_a_host_is_shown_as_openssh_resolves_it(
    make_project: ProjectFactory, home: Path
) -> None:
    """An alias of ~/.ssh/config: its host, user, port and gateway, even where nobody answers."""
    config = home / ".ssh" / "config"
    config.write_text(
        "Host alias\n HostName 127.0.0.1\n Port 1\n User someone\n ProxyJump gate.invalid\n"
    )
    worker = {
        "type": "remote",
        "scheduler_type": "shell",
        "host": "alias",
        "work_dir": "/tmp",
        "connect_timeout": 5,
    }
    try:
        (found, *_) = workers.check(make_project(workers={"w": worker}))
    finally:
        config.unlink()
    assert found.level is Level.OK
    for words in ("hostname 127.0.0.1", "user someone", "port 1", "proxyjump gate.invalid"):
        assert words in found.text
