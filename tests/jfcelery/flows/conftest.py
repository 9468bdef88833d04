"""Fixtures of the tests of flows in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.database.connection import QueueDatabase, open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare

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
