"""Projects are found by name in the projects folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ProjectInvalidError, ProjectNotFoundError
from jfcelery.project import ProjectFileError, find_projects, load_file, load_project

if TYPE_CHECKING:
    from pathlib import Path


def put(folder: Path, file: str, text: str) -> Path:
    """Write a file."""
    path = folder / file
    path.write_text(text)
    return path


def test_files_of_all_formats_are_found(projects_folder: Path) -> None:
    """YAML, JSON and TOML count, whatever the file is called; others and hidden ones do not."""
    put(projects_folder, "one.yaml", "name: a")
    put(projects_folder, "two.yml", "name: b")
    put(projects_folder, "three.JSON", '{"name": "c"}')
    put(projects_folder, "four.toml", 'name = "d"')
    put(projects_folder, "five.txt", "name: e")
    put(projects_folder, "one.yaml.bak.1", "name: a")
    put(projects_folder, ".six.yaml", "name: f")
    (projects_folder / "seven.yaml").mkdir()

    assert find_projects().names == ["a", "b", "c", "d"]


def test_broken_files_are_listed_with_their_error(projects_folder: Path) -> None:
    """One broken file does not hide the others; its name is known if it can be read so far."""
    put(projects_folder, "good.yaml", "name: good")
    bad = put(projects_folder, "bad.yaml", "name: bad\ncolour: red")
    worse = put(projects_folder, "worse.yaml", "name: [")

    found = find_projects()

    assert list(found.valid) == ["good"]
    assert [(file.path, file.name) for file in found.broken] == [(bad, "bad"), (worse, None)]
    assert "colour: unknown key" in str(found.broken[0].error)
    assert "line 1" in str(found.broken[1].error)


def test_a_project_is_loaded_by_name(projects_folder: Path) -> None:
    """Broken neighbours do not matter; its own errors do."""
    put(projects_folder, "x.yaml", "name: good")
    put(projects_folder, "bad.yaml", "name: bad\ncolour: red")

    assert load_project("good").name == "good"
    with pytest.raises(ProjectFileError, match=r"colour: unknown key"):
        load_project("bad")
    with pytest.raises(ProjectNotFoundError, match=r"'goood' in .*\nDid you mean 'good'"):
        load_project("goood")


def test_a_file_whose_syntax_is_broken_is_known_by_its_own_name(projects_folder: Path) -> None:
    """Whoever asks for it sees what is wrong with it, not that there is no such project."""
    put(projects_folder, "mine.yaml", "name: mine\nworkers:\n  a:\n    type: local\n   b: c\n")

    with pytest.raises(ProjectFileError, match=r"mine.yaml: line 5"):
        load_project("mine")
    put(projects_folder, "other.yaml", "name: mine")
    assert load_project("mine").source == projects_folder / "other.yaml"


def test_the_setting_chooses_among_several(
    projects_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``JFCELERY_PROJECT`` counts unless a name is given."""
    put(projects_folder, "a.yaml", "name: a")
    put(projects_folder, "b.yaml", "name: b")

    with pytest.raises(ProjectNotFoundError, match=r"several .*: a, b\nChoose one: `-p"):
        load_project()
    monkeypatch.setenv("JFCELERY_PROJECT", "b")
    assert load_project().name == "b"
    assert load_project("a").name == "a"


def test_the_only_project_needs_no_name(projects_folder: Path) -> None:
    """With one project file there is no choice; if it is broken, its errors show."""
    with pytest.raises(ProjectNotFoundError, match=r"no project in .*\nCreate one with `jfc pro"):
        load_project()
    path = put(projects_folder, "a.yaml", "name: a")
    assert load_project().name == "a"
    path.write_text("name: a\ncolour: red")
    with pytest.raises(ProjectFileError, match=r"unknown key"):
        load_project()


def test_two_files_with_one_name_are_an_error(projects_folder: Path, tmp_path: Path) -> None:
    """Neither is taken; the other projects can be used."""
    one = put(projects_folder, "one.yaml", "name: a")
    two = put(projects_folder, "two.json", '{"name": "a"}')
    put(projects_folder, "b.yaml", "name: b")

    with pytest.raises(ProjectInvalidError) as caught:
        load_project("a")

    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)
    assert "Change `name` in one" in str(caught.value)
    assert load_project("b").name == "b"
    assert list(find_projects().valid) == ["b"]
    assert [file.path for file in find_projects().broken] == [one, two]


def test_a_folder_can_be_given(tmp_path: Path) -> None:
    """Instead of the one of the settings; one that is not there holds no projects."""
    put(tmp_path, "a.yaml", "name: a")

    assert load_project(folder=tmp_path).name == "a"
    assert find_projects(tmp_path / "nothing").files == ()


def test_folders_lie_beside_the_file_by_default(tmp_path: Path) -> None:
    """``base_dir`` is named as the project; the other folders are in it."""
    project = load_file(put(tmp_path, "x.yaml", "name: a"))

    assert project.base_dir == tmp_path / "a"
    assert project.tmp_dir == tmp_path / "a" / "tmp"
    assert project.log_dir == tmp_path / "a" / "log"
    assert project.daemon_dir == tmp_path / "a" / "daemon"


def test_folders_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` and variables count, relative paths start at the project file, null is the default."""
    monkeypatch.setenv("HOME", "/home/bob")
    monkeypatch.setenv("SCRATCH", "/scratch/bob")
    text = "name: a\nbase_dir: ~/base\nlog_dir: logs\ntmp_dir: ${SCRATCH}/tmp\ndaemon_dir: null"
    project = load_file(put(tmp_path, "x.yaml", text))

    assert str(project.base_dir) == "/home/bob/base"
    assert project.log_dir == tmp_path / "logs"
    assert str(project.tmp_dir) == "/scratch/bob/tmp"
    assert str(project.daemon_dir) == "/home/bob/base/daemon"


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    """The digest tells whether the text is the same; the source whence it came."""
    path = put(tmp_path, "x.yaml", "name: a")
    first = load_file(path)
    again = load_file(path)
    path.write_text("name: a\nlog_level: DEBUG")
    changed = load_file(path)

    assert first.source == path
    assert first.digest == again.digest != changed.digest
    assert changed.log_level == "debug"
