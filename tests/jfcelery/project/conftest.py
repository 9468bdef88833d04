"""Fixtures for project files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.project.entries import Entry
from jfcelery.project.loading import load_text
from jfcelery.project.writing import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.project import Project

#: Where the files of these tests pretend to lie.
PATH = Path("/projects/test.yaml")


@pytest.fixture
def load() -> Callable[..., Project]:
    """A function that loads the sections of a project file from a text."""

    def make(_text: str = "", **sections: Any) -> Project:
        data = {"name": "test"} | sections
        text = _text or write([Entry(key, value) for key, value in data.items()], "json", "")
        return load_text(text, PATH if _text else PATH.with_suffix(".json"))

    return make
