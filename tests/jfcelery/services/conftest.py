"""Fixtures of the tests of the embedded services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.embedded import CACHE, embedded_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project


@pytest.fixture(autouse=True)
def small_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the embedded database use little memory."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", CACHE)


@pytest.fixture
def embedded() -> Iterator[Project]:
    """A project with embedded services, none of which runs yet."""
    with embedded_project() as project:
        yield project


@pytest.fixture(scope="module")
def standing() -> Iterator[Project]:
    """A project with embedded services for the tests of a module that leave them running."""
    with pytest.MonkeyPatch.context() as patch, embedded_project("standing") as project:
        patch.setenv("JFCELERY_DATABASE_CACHE", CACHE)
        yield project
