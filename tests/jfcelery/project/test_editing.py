"""Project files are created, changed as text, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConfigError, InputError
from jfcelery.project import (
    create_project,
    folders_of,
    load_file,
    load_project,
    remove_project,
    replace_text,
)

if TYPE_CHECKING:
    from pathlib import Path


def project_file(folder: Path, text: str = "name: a\n") -> Path:
    """Write a project file."""
    path = folder / "a.yaml"
    path.write_text(text)
    return path


def test_a_created_project_is_private_and_loads(projects_folder: Path) -> None:
    """Only its owner may read the new file."""
    path = create_project("mine", full=True, file_format="toml")

    assert path == projects_folder / "mine.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_project("mine").name == "mine"


def test_a_project_is_created_in_a_new_folder(tmp_path: Path) -> None:
    """The projects folder need not exist."""
    assert create_project("mine", folder=tmp_path / "new" / "folder").exists()


def test_nothing_is_overwritten(projects_folder: Path) -> None:
    """Neither a project of that name in whatever file, nor a file of that name."""
    (projects_folder / "x.yaml").write_text("name: mine")
    (projects_folder / "other.yaml").write_text("name: [")

    with pytest.raises(ConfigError, match=r"'mine' exists: .*x.yaml"):
        create_project("mine")
    with pytest.raises(ConfigError, match=r"'other' exists: .*other.yaml"):
        create_project("other")


def test_a_replacement_shows_what_it_would_do(tmp_path: Path) -> None:
    """Nothing is written until it is applied; comments and order stay."""
    path = project_file(tmp_path, "# my project\nname: a\nlog_level: info # quiet\n")
    path.chmod(0o640)

    change = replace_text(path, "info", "debug")

    assert "-log_level: info # quiet\n+log_level: debug # quiet\n" in change.diff
    assert change.changes
    assert change.error is None
    assert "info" in path.read_text()

    copy = change.apply()

    assert path.read_text() == "# my project\nname: a\nlog_level: debug # quiet\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert copy == tmp_path / "a.yaml.bak.1"
    assert "info" in (tmp_path / "a.yaml.bak.1").read_text()
    assert replace_text(path, "debug", "warn").apply() == tmp_path / "a.yaml.bak.2"
    assert replace_text(path, "warn", "info").apply(backup=False) is None


def test_a_replacement_that_breaks_the_file_says_so(tmp_path: Path) -> None:
    """It may be applied all the same, if the person insists."""
    path = project_file(tmp_path, "name: a\nlog_level: info\n")

    change = replace_text(path, "info", "loud")

    assert "log_level: must be" in str(change.error)
    change.apply()
    assert "loud" in path.read_text()


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Somebody else's change is not lost."""
    path = project_file(tmp_path)
    change = replace_text(path, "a", "b")
    path.write_text("name: c\n")

    with pytest.raises(ConfigError, match=r"was changed meanwhile"):
        change.apply()
    assert path.read_text() == "name: c\n"


def test_a_replacement_goes_through_links(tmp_path: Path) -> None:
    """A project file that is a link stays one; its target changes."""
    target = project_file(tmp_path)
    link = tmp_path / "link.yaml"
    link.symlink_to(target)

    replace_text(link, "name: a", "name: b").apply(backup=False)

    assert link.is_symlink()
    assert target.read_text() == "name: b\n"


def test_nothing_cannot_be_replaced(tmp_path: Path) -> None:
    """An empty text stands everywhere; a missing file nowhere."""
    with pytest.raises(InputError, match=r"the text to replace is empty"):
        replace_text(project_file(tmp_path), "", "x")
    with pytest.raises(ConfigError, match=r"cannot read .*nothing.yaml"):
        replace_text(tmp_path / "nothing.yaml", "a", "b")


def test_removing_takes_the_folders_along(tmp_path: Path) -> None:
    """The file, the base folder and folders elsewhere go; what else lies there stays."""
    path = project_file(tmp_path, f"name: a\nlog_dir: {tmp_path}/logs\n")
    (tmp_path / "b.yaml").write_text("name: b")
    for folder in ("a/tmp", "logs", "other"):
        (tmp_path / folder).mkdir(parents=True)
    project = load_file(path)

    assert folders_of(project) == [tmp_path / "a", tmp_path / "logs"]
    assert remove_project(project) == [tmp_path / "a", tmp_path / "logs", path]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["b.yaml", "other"]


def test_folders_can_be_kept(tmp_path: Path) -> None:
    """Then only the file goes."""
    path = project_file(tmp_path)
    (tmp_path / "a").mkdir()

    assert remove_project(load_file(path), folders=False) == [path]
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize("base_dir", [".", "..", "~", "/"])
def test_a_folder_that_holds_more_is_not_removed(tmp_path: Path, base_dir: str) -> None:
    """A home or projects folder named as ``base_dir`` survives, and so does the file."""
    folder = tmp_path / "projects"
    folder.mkdir()
    path = project_file(folder, f"name: a\nbase_dir: '{base_dir}'\n")

    with pytest.raises(ConfigError, match=r"is not removed with project 'a'\nKeep the folders"):
        remove_project(load_file(path))
    assert path.exists()
