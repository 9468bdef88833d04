"""Fixtures of the tests of the core: a queue, and flows in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from jfcelery.database.connection import QueueDatabase, open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from tests.support.queued import MakeFlow, Queued

if TYPE_CHECKING:
    from jfcelery.project import Project


@pytest.fixture
def queue(project: Project) -> QueueDatabase:
    """An empty queue."""
    opened = open_queue(project)
    prepare(opened)
    return opened


@pytest.fixture
def jobs(queue: QueueDatabase) -> Jobs:
    """The jobs of an empty queue."""
    return Jobs(queue)


@pytest.fixture
def controller(project: Project) -> JobController:
    """The controller of a project with an empty queue."""
    return JobController.from_project(project)


@pytest.fixture
def make_flow(controller: JobController) -> MakeFlow:
    """A function that adds a flow to the queue."""
    return partial(Queued, controller.queue)
