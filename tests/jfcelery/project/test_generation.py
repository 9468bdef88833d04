"""Generated project files load again, and explain themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jfcelery.errors import InputError
from jfcelery.project import Project, generate
from jfcelery.project.generation import FORMATS
from jfcelery.project.loading import load_text

FOLDER = Path("/projects")
#: What the examples in a full file refer to.
VARIABLES = ("MONGO_PASSWORD", "REDIS_PASSWORD", "MAIL_LOGIN", "CLUSTER_PASSWORD", "KEY_PASSPHRASE")


def load(text: str, file_format: str) -> Project:
    """Load a text as if it lay in the projects folder."""
    return load_text(text, FOLDER / f"p.{file_format}")


def uncommented(text: str) -> str:
    """Return a text in which every option that was commented out counts."""
    while (less := re.sub(r"(?m)^(\s*)#(?=\S|  )", r"\1", text)) != text:
        text = less
    return text


@pytest.mark.parametrize("full", [False, True], ids=["simple", "full"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_generated_file_loads(file_format: str, full: bool) -> None:
    """In each format, with a local worker first that can be used at once, on embedded services."""
    project = load(generate("mine", full, file_format, folder=FOLDER), file_format)

    assert project.name == "mine"
    assert project.get_worker().is_local
    assert project.get_worker().scheduler_name == "shell"
    assert str(project.get_worker().work_dir) == "/projects/mine/run"
    assert project.uses_embedded_database
    assert project.uses_embedded_broker
    assert project.base_dir == FOLDER / "mine"


def test_the_formats_say_the_same() -> None:
    """YAML, TOML and JSON of the same kind hold the same project."""
    for full in (False, True):
        texts = [(generate("mine", full, f, folder=FOLDER), f) for f in FORMATS]
        projects = [load(*text).model_dump() for text in texts]
        assert projects[0] == projects[1] == projects[2]


@pytest.mark.parametrize("full", [False, True], ids=["simple", "full"])
@pytest.mark.parametrize("file_format", ["yaml", "toml"])
def test_options_that_are_commented_out_are_right(
    file_format: str, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Taking away every ``#`` before a key gives a file that loads too, with all that it shows."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "x")

    project = load(uncommented(generate("mine", full, file_format, folder=FOLDER)), file_format)

    assert project.queue is not None
    assert project.queue.store["password"] == "x"
    assert project.broker is not None
    assert len(project.workers) == (3 if full else 2)
    if full:
        assert project.get_worker().batch is not None
        assert project.notifications
        assert project.optional_jobstores


@pytest.mark.parametrize("file_format", ["yaml", "toml"])
def test_a_full_file_shows_every_option(file_format: str) -> None:
    """Each option of the project, at any depth, is there with its description above it."""
    text = generate("mine", full=True, file_format=file_format, folder=FOLDER)
    words = " ".join(re.sub(r"(?m)^\s*#+\s*(#\s*)*", "", text).split())

    def visit(model: Any, seen: set[Any]) -> None:
        for name, field in model.model_fields.items():
            assert re.search(rf"(?m)\b{name}\b", text), name
            # The kinds of workers explain what they share only once.
            if name != "type":
                assert " ".join((field.description or "nothing").split()) in words, name
            parts = re.findall(r"jfcelery\.project\.\w+\.(\w+)", str(field.annotation))
            for part in parts:
                found = _models().get(part)
                lists = {"NotificationRule", "QueueLimit", "RecoveryRule"}
                if found and found not in seen and part not in lists:
                    visit(found, {*seen, found})

    visit(Project, {Project})


def _models() -> dict[str, type]:
    from jfcelery.project.model import ConfigModel

    waiting: list[Any] = [ConfigModel]
    found: dict[str, type] = {}
    while waiting:
        for sub in waiting.pop().__subclasses__():
            found[sub.__name__] = sub
            waiting.append(sub)
    return found


@pytest.mark.parametrize("full", [False, True], ids=["simple", "full"])
@pytest.mark.parametrize("file_format", FORMATS)
@settings(deadline=None, max_examples=25)
@given(name=st.text(min_size=1, max_size=30))
def test_any_usable_name_survives(file_format: str, full: bool, name: str) -> None:
    """Quotes, colons, blanks, other alphabets: the file holds the name, or it is refused."""
    try:
        text = generate(name, full, file_format, folder=FOLDER)
    except InputError:
        return

    assert load(text, file_format).name == name


@pytest.mark.parametrize("name", ["", " a", "a/b", "..", ".hidden", "a\nb", "a\\b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    """The project's folder is called as the project."""
    with pytest.raises(InputError, match=r"not usable as a name"):
        generate(name, folder=FOLDER)


def test_an_unknown_format_is_refused() -> None:
    """The error says which there are."""
    with pytest.raises(InputError, match=r"unknown format 'xml'\nUse one of yaml, json, toml"):
        generate("a", file_format="xml", folder=FOLDER)


def test_the_folder_of_the_settings_is_the_default(projects_folder: Path) -> None:
    """Without a folder, work folders lie where the project file is going to lie."""
    assert str(projects_folder) in generate("mine")
