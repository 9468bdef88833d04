"""Rules of recovery: what may be written, and what more time and memory mean to schedulers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ProjectInvalidError, ResourcesError
from jfcelery.project.growth import grown
from jfcelery.project.recovery import RecoveryRule

if TYPE_CHECKING:
    from tests.support.projects import ProjectFactory


@pytest.mark.parametrize(
    "resources, changed",
    [
        ({"time": "00:01:00"}, {"time": "0:02:00"}),
        ({"time": 90}, {"time": "3:00:00"}),  # Slurm's minutes
        ({"time": "30:30"}, {"time": "1:01:00"}),
        ({"time": "1-12"}, {"time": "72:00:00"}),
        ({"time": "1-00:30:10"}, {"time": "49:00:20"}),
        ({"walltime": 90, "nodes": 1}, {"walltime": "0:03:00"}),  # seconds of PBS and Grid Engine
        ({"walltime": "10:00:00", "soft_walltime": "9:59:00"}, {"soft_walltime": "19:58:00"}),
    ],
)
def test_wall_time_grows_in_each_way_of_writing_it(
    resources: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Minutes, seconds, clocks and days are understood; all else stays as it is."""
    new, words = grown(resources, RecoveryRule(on=["TIMEOUT"], time_factor=2))
    assert {key: new[key] for key in changed} == changed
    assert new.keys() == resources.keys()
    assert words


@pytest.mark.parametrize(
    "resources, changed",
    [
        ({"mem": 1000}, {"mem": "1500M"}),  # Slurm's megabytes
        ({"mem": "2G", "ntasks": 4}, {"mem": "3072M", "ntasks": 4}),
        ({"mem_per_cpu": "1500M"}, {"mem_per_cpu": "2250M"}),
        (
            {"select": "select=2:ncpus=4:mem=4gb:mpiprocs=4"},
            {"select": "select=2:ncpus=4:mem=6144mb:mpiprocs=4"},
        ),
        ({"select": "h_vmem=1G,gpu=1"}, {"select": "h_vmem=1536M,gpu=1"}),
        ({"select": "select=1:mem=1000"}, {"select": "select=1:mem=1500"}),
    ],
)
def test_memory_grows_in_each_way_of_writing_it(
    resources: dict[str, Any], changed: dict[str, Any]
) -> None:
    """The unit stays one that the scheduler knows, and the rest of a selection is kept."""
    new, words = grown(resources, RecoveryRule(on=["OUT_OF_MEMORY"], memory_factor=1.5))
    assert new == changed
    assert len(words) == 1


def test_ceilings_bound_what_grows() -> None:
    """The last step is cut to the ceiling; who has reached it is not helped."""
    rule = RecoveryRule(on=["TIMEOUT"], time_factor=4, time_ceiling="3:00:00")
    new, _ = grown({"time": "1:00:00"}, rule)
    assert new["time"] == "3:00:00"
    with pytest.raises(ResourcesError, match="reached the ceiling of 3:00:00"):
        grown(new, rule)
    rule = RecoveryRule(on=["OUT_OF_MEMORY"], memory_factor=4, memory_ceiling="8G")
    new, _ = grown({"mem": "4G"}, rule)
    assert new["mem"] == "8192M"
    with pytest.raises(ResourcesError, match="reached the ceiling of 8G"):
        grown(new, rule)


@pytest.mark.parametrize(
    "resources, options",
    [
        ({}, {"time_factor": 2}),
        ({"time": "a while"}, {"time_factor": 2}),
        ({"time": "1:2:3:4"}, {"time_factor": 2}),
        ({"select": "select=1:ncpus=2"}, {"memory_factor": 2}),
        ({"mem": "much"}, {"memory_factor": 2}),
    ],
)
def test_what_cannot_grow_is_an_error_of_the_job(
    resources: dict[str, Any], options: dict[str, Any]
) -> None:
    """Nothing to multiply, or nothing that can be read, gives no new attempt."""
    with pytest.raises(ResourcesError):
        grown(resources, RecoveryRule(on=["TIMEOUT"], **options))


@pytest.mark.parametrize(
    "rule, place, text",
    [
        ({"on": ["TIMOUT"]}, "on", "no end that a queue job can have"),
        ({"on": []}, "on", "at least 1"),
        ({"on": ["a b"]}, "on", "neither the end"),
        ({"on": ["TIMEOUT"], "time_ceiling": "1:00:00"}, "time_ceiling", "time_factor"),
        ({"on": ["TIMEOUT"], "time_factor": 1}, "time_factor", "greater than 1"),
        (
            {"on": ["TIMEOUT"], "time_factor": 2, "time_ceiling": "tomorrow"},
            "time_ceiling",
            "HOURS:MINUTES:SECONDS",
        ),
        (
            {"on": ["FAILED"], "memory_factor": 2, "memory_ceiling": "lots"},
            "memory_ceiling",
            "64G",
        ),
        ({"on": ["TIMEOUT"], "action": "leave", "attempts": 2}, "attempts", "action: leave"),
        ({"on": ["TIMEOUT"], "worker": "here", "keep_files": True}, "keep_files", "earlier"),
        ({"on": ["TIMEOUT"], "worker": "nowhere"}, "worker", "no worker 'nowhere'"),
        ({"on": ["TIMEOUT"], "worker": "far", "resources": {"walltime": 1}}, "resources", "time"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    make_project: ProjectFactory, rule: dict[str, Any], place: str, text: str
) -> None:
    """The message says where it stands and what would do."""
    workers = {
        "here": {"type": "local", "scheduler_type": "shell", "work_dir": "/w"},
        "far": {"type": "local", "scheduler_type": "slurm", "work_dir": "/w"},
    }
    with pytest.raises(ProjectInvalidError) as caught:
        make_project(workers=workers, recovery=[rule])
    assert f"recovery (entry 1).{place}" in str(caught.value)
    assert text in str(caught.value)


def test_rules_of_a_worker_know_its_scheduler(make_project: ProjectFactory) -> None:
    """Resources of a rule are checked against the worker in whose section it stands."""
    rule = {"on": ["TIMEOUT"], "resources": {"partitoin": "long"}}
    far = {"type": "local", "scheduler_type": "slurm", "work_dir": "/w", "recovery": [rule]}
    with pytest.raises(ProjectInvalidError, match="partition"):
        make_project(workers={"far": far})
