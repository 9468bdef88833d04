"""Settings of a person: the environment before the file before the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConfigError
from jfcelery.settings import Settings, settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of an otherwise empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".jfcelery.yaml"


def test_defaults(file: Path) -> None:
    """Without file and environment, projects lie in ``~/.jfcelery``."""
    found = settings()

    assert found.projects_folder == file.parent / ".jfcelery"
    assert found.config_file == file
    assert found.project is None
    assert found.cli_suggestions
    assert found.cli_log_level == "warn"


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of variables in any case, lists separated by commas, ``~`` expanded."""
    file.write_text("project: a\nprojects_folder: ~/mine\ncli_job_list_columns: [db_id, state]\n")
    assert settings().project == "a"
    assert settings().projects_folder == file.parent / "mine"
    assert settings().cli_job_list_columns == ["db_id", "state"]

    monkeypatch.setenv("JFCELERY_PROJECT", "b")
    monkeypatch.setenv("jfcelery_cli_log_level", "DEBUG")
    monkeypatch.setenv("JFCELERY_CLI_FULL_EXC", "1")
    monkeypatch.setenv("JFCELERY_CLI_JOB_LIST_COLUMNS", "db_id, name")

    assert settings().project == "b"
    assert settings().cli_log_level == "debug"
    assert settings().cli_full_exc
    assert settings().cli_job_list_columns == ["db_id", "name"]


def test_another_file_can_be_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``JFCELERY_CONFIG_FILE`` says which file is read."""
    other = tmp_path / "other.yaml"
    other.write_text("project: c\n")
    monkeypatch.setenv("JFCELERY_CONFIG_FILE", str(other))

    assert settings().project == "c"


def test_a_change_is_noticed(file: Path) -> None:
    """Settings are read again once the file is another."""
    file.write_text("project: a\n")
    assert settings() is settings()
    file.write_text("project: other\n")

    assert settings().project == "other"


@pytest.mark.parametrize(
    "text, words",
    [
        ("projct: a", "projct: unknown key; did you mean 'project'?"),
        ("cli_log_level: loud", "cli_log_level: must be 'error', 'warn', 'info'"),
        ("- a", "no settings; write `project: NAME`"),
        ("project: [", "line 1"),
    ],
)
def test_a_wrong_file_is_named(file: Path, text: str, words: str) -> None:
    """One line with the file, the key and the remedy."""
    file.write_text(text)

    with pytest.raises(ConfigError) as caught:
        settings()

    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)


def test_a_wrong_variable_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line begins with the name of the variable."""
    monkeypatch.setenv("JFCELERY_CLI_FULL_EXC", "perhaps")

    with pytest.raises(ConfigError, match=r"^JFCELERY_CLI_FULL_EXC: .*must be true or false"):
        settings()


def test_every_setting_is_described() -> None:
    """The documentation is made of these sentences."""
    assert all(field.description for field in Settings.model_fields.values())
