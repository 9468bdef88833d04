"""What the examination finds of this machine: folders, their rights, the disk, the project file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.tasks.doctor import Level, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from jfcelery.tasks.doctor import Finding
    from tests.support.projects import ProjectFactory

#: The user of nothing.
NOBODY = 65534


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that every user of this machine can enter."""
    with tempfile.TemporaryDirectory(prefix="jfct-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Root may write everywhere: what this process may is asked for another user meanwhile."""
    if os.geteuid():
        yield
        return
    os.setreuid(NOBODY, 0)  # the real user is the one that access(2) asks about
    yield
    os.setreuid(0, 0)


def bad(found: Iterator[Finding]) -> list[Finding]:
    """Return the findings that ask for something."""
    return [one for one in found if one.level is not Level.OK]


def test_a_folder_that_cannot_be_written_is_an_error(
    project: Project, common: Path, as_nobody: None
) -> None:
    """It is named with the option that names it; one's own folders are no matter."""
    mine, theirs = common / "mine", common / "theirs"
    mine.mkdir()
    os.chown(mine, os.getuid(), -1)
    theirs.mkdir(mode=0o555)
    options = dict.fromkeys(("base_dir", "tmp_dir", "daemon_dir"), mine) | {"log_dir": theirs / "l"}
    (found,) = bad(machine.folders(project.model_copy(update=options)))
    assert (found.subject, found.level) == ("log_dir", Level.ERROR)
    assert found.text == f"{theirs / 'l'} cannot be written by you"
    assert "set log_dir in the project file" in found.remedy


def test_a_folder_that_everybody_can_write_is_noted(project: Project, tmp_path: Path) -> None:
    """What closes it is the command to type."""
    tmp_path.chmod(0o777)
    options = dict.fromkeys(("base_dir", "daemon_dir", "log_dir"), tmp_path / "own")
    found = bad(machine.folders(project.model_copy(update={**options, "tmp_dir": tmp_path})))
    assert [(one.subject, one.level) for one in found] == [("tmp_dir", Level.WARNING)]
    assert found[0].remedy == f"chmod o-w {tmp_path}"


@pytest.mark.parametrize("limit, level", [("LITTLE", Level.WARNING), ("TOO_LITTLE", Level.ERROR)])
def test_a_full_disk_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch, limit: str, level: Level
) -> None:
    """What is left of it is measured, and stands against two limits."""
    monkeypatch.setattr(machine, limit, 1 << 62)
    (found,) = bad(machine.folders(project))
    assert (found.subject, found.level) == ("disk", level)
    assert f"GB free below {project.base_dir}" in found.text
    assert "base_dir" in found.remedy


def test_a_project_file_that_everybody_can_write_is_an_error(project: Project) -> None:
    """Whoever writes to it runs commands under this name."""
    assert project.source is not None
    project.source.chmod(0o666)
    found = bad(machine.project_file(project))
    assert [(one.level, one.remedy) for one in found] == [
        (Level.ERROR, f"chmod o-w {project.source}")
    ]


def test_remarks_on_the_project_file_are_findings(make_project: ProjectFactory) -> None:
    """What is set in vain is said here, too."""
    worker = {
        "type": "remote",
        "scheduler_type": "slurm",
        "work_dir": "/work",
        "host": "far.example.org",
        "inline_ssh_env": True,
    }
    found = bad(machine.project_file(make_project(workers={"far": worker})))
    assert [one.level for one in found] == [Level.WARNING]
    assert found[0].text.startswith("workers.far.inline_ssh_env: ")
    assert found[0].remedy


def test_versions_are_those_of_this_environment(project: Project) -> None:
    """Python's, and those of the packages that count."""
    (found,) = machine.versions(project)
    for name in ("Python", "jfcelery", "jobflow", "celery", "pymongo", "redis"):
        assert f"{name} " in found.text
