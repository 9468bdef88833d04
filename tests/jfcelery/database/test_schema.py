"""A database of another layout or project is refused before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.database.connection import open_queue
from jfcelery.database.indexes import INDEXES
from jfcelery.database.schema import prepare
from jfcelery.errors import SchemaVersionError

if TYPE_CHECKING:
    from jfcelery.project import Project


def test_a_new_database_gets_its_indexes(project: Project) -> None:
    """Every collection has the indexes that the steps' queries need."""
    queue = open_queue(project)
    prepare(queue, project.name)
    for attribute, keys in INDEXES.items():
        have = [list(i["key"].items()) for i in getattr(queue, attribute).list_indexes()]
        for key in keys:
            assert key in have


def test_another_layout_or_project_is_refused(project: Project) -> None:
    """The error says what to do."""
    queue = open_queue(project)
    prepare(queue, project.name)
    with pytest.raises(SchemaVersionError, match="belongs to project"):
        prepare(queue, "other")
    for schema, remedy in ((99, "Install the version"), (0, "jfc admin upgrade")):
        queue.auxiliary.update_one({"_id": "jfcelery"}, {"$set": {"schema": schema}})
        with pytest.raises(SchemaVersionError, match=remedy):
            prepare(queue, project.name)
