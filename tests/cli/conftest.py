"""Fixtures of the tests of the command line."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project


@pytest.fixture
def jfc(project: Project) -> Jfc:
    """The command, on a project with an empty queue."""
    return Jfc(project.name)


@pytest.fixture
def controller(project: Project) -> JobController:
    """The controller of the same project."""
    return JobController.from_project(project)


@pytest.fixture
def make_flow(controller: JobController) -> Callable[..., Queued]:
    """A function that adds a flow to the queue."""
    return partial(Queued, controller.queue)


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is in Tokyo."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()
