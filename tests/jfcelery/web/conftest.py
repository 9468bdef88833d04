"""Fixtures of the tests of the web server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from tests.support.queued import MakeFlow, Queued

if TYPE_CHECKING:
    from jfcelery.project import Project


@pytest.fixture
def controller(project: Project) -> JobController:
    """The controller of a project with an empty queue."""
    return JobController.from_project(project)


@pytest.fixture
def make_flow(controller: JobController) -> MakeFlow:
    """A function that adds a flow to the queue."""
    return partial(Queued, controller.queue)
