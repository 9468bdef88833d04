"""Rules that hold for every option of the project file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jfcelery.project import Project
from jfcelery.project.model import ConfigModel


def models() -> list[type[ConfigModel]]:
    """Return all models of the project file."""
    found: list[type[ConfigModel]] = []
    waiting: list[type[ConfigModel]] = [ConfigModel]
    while waiting:
        for sub in waiting.pop().__subclasses__():
            if sub.__module__.startswith("jfcelery."):
                found.append(sub)
                waiting.append(sub)
    return sorted(set(found), key=lambda model: model.__name__)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_option_is_described(model: type[ConfigModel]) -> None:
    """The reference and the full file are made of these sentences."""
    for name, field in model.model_fields.items():
        text = field.description or ""
        assert text.endswith("."), name
        assert text[0].isupper() or text[0] == "`", name


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_time_has_its_unit(model: type[ConfigModel]) -> None:
    """All times are seconds, and say so."""
    for name, field in model.model_fields.items():
        if name.startswith("delay_") or name.endswith(("_interval", "_timeout", "_time")):
            assert "econds" in (field.description or ""), name


def test_values_do_not_change() -> None:
    """A loaded project is shared by threads, so nobody changes it."""
    project = Project(name="a")

    with pytest.raises(ValueError, match=r"frozen"):
        project.name = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_importing_projects_is_cheap() -> None:
    """What takes long to import is imported when it is used."""
    code = (
        "import sys\n"
        "import jfcelery.project, jfcelery.settings\n"
        "heavy = {'maggma', 'jobflow', 'pymongo', 'celery', 'qtoolkit', 'monty', 'fabric'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_loading_a_usual_project_is_cheap(tmp_path: object) -> None:
    """A file with MongoDB stores and Slurm is checked without maggma and qtoolkit."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from jfcelery.project.loading import load_text\n"
        "load_text('''\n"
        "name: p\n"
        "workers: {w: {type: remote, host: h, scheduler_type: slurm, work_dir: /w}}\n"
        "queue: {store: {type: MongoStore, database: d, collection_name: jobs}}\n"
        "jobstore:\n"
        "  docs_store: {type: MongoURIStore, uri: 'mongodb://h', database: d, collection_name: o}\n"
        "''', Path('/projects/p.yaml'))\n"
        "print(sorted({'maggma', 'qtoolkit', 'pymongo'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
