"""Two projects must not share what each needs for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.project import check_conflicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.project import Project

    Load = Callable[..., Project]

STORE = {"type": "MongoStore", "host": "h", "database": "d", "collection_name": "jobs"}
URI = {"type": "MongoURIStore", "uri": "mongodb://u:secret@H/d", "collection_name": "jobs"}
OUTPUTS = {"docs_store": STORE | {"collection_name": "outputs"}}
NAMES = {"flows_collection": "f2", "auxiliary_collection": "a2", "batches_collection": "b2"}


def kinds(load: Load, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the kinds of conflicts between two projects."""
    found = check_conflicts([load(name="one", **one), load(name="two", **other)])
    assert all(conflict.projects == ("one", "two") for conflict in found)
    assert not [conflict for conflict in found if "secret" in conflict.message]
    return [conflict.kind for conflict in found]


def test_projects_on_embedded_services_do_not_meet(load: Load) -> None:
    """Each has a folder of its own."""
    assert kinds(load, {}, {}) == []


def test_a_shared_queue_is_a_conflict(load: Load) -> None:
    """However the server is written, each shared collection is named."""
    queue = {"queue": {"store": STORE}}

    assert kinds(load, queue, {"queue": {"store": URI}}) == ["collection"] * 4
    other = STORE | {"collection_name": "jobs2"}
    assert kinds(load, queue, {"queue": {"store": other}}) == ["collection"] * 3
    assert kinds(load, queue, {"queue": {"store": other} | NAMES}) == []
    assert kinds(load, queue, {"queue": {"store": STORE | {"database": "e"}}}) == []
    assert kinds(load, queue, {"queue": {"store": STORE | {"port": 1}}}) == []


def test_outputs_may_be_shared_but_not_with_a_queue(load: Load) -> None:
    """Several projects may write to one JobStore, but not into another's jobs."""
    jobs = {"jobstore": {"docs_store": STORE}}

    assert kinds(load, {"jobstore": OUTPUTS}, {"jobstore": OUTPUTS}) == []
    assert kinds(load, jobs, {"queue": {"store": URI}}) == ["collection"]


@pytest.mark.parametrize(
    "one, other, wanted",
    [
        ({"base_dir": "/x"}, {"base_dir": "/x"}, ["folder"] * 4),
        ({"base_dir": "/x"}, {"base_dir": "/x/y"}, ["folder"]),
        ({"log_dir": "/x"}, {"tmp_dir": "/x"}, ["folder"]),
        ({"base_dir": "/x"}, {"base_dir": "/xy"}, []),
    ],
)
def test_shared_folders_are_a_conflict(
    load: Load, one: dict[str, Any], other: dict[str, Any], wanted: list[str]
) -> None:
    """The same folder, or one base folder inside the other."""
    assert kinds(load, one, other) == wanted


def test_shared_handle_folders_are_a_conflict(load: Load) -> None:
    """Pilots of two projects must not meet on one host; on two hosts they do not."""
    batch = {"jobs_handle_dir": "/h", "work_dir": "/w"}
    worker = {"type": "remote", "host": "h", "scheduler_type": "slurm", "work_dir": "/w",
              "batch": batch}  # fmt: skip

    one, elsewhere = {"workers": {"w": worker}}, {"workers": {"w": worker | {"host": "i"}}}

    assert kinds(load, one, one) == ["jobs_handle_dir"]
    assert kinds(load, one, elsewhere) == []
