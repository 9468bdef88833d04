"""Which limits of queue jobs hold where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.limits import limits_of

if TYPE_CHECKING:
    from tests.support.projects import ProjectFactory


def test_a_limit_of_a_worker_holds_on_its_host_and_no_other(make_project: ProjectFactory) -> None:
    """Two workers of one host share its queue; a limit without a worker holds everywhere."""
    one = {"type": "remote", "scheduler_type": "slurm", "host": "a.invalid", "work_dir": "/a"}
    limits = [{"max_jobs": 9}, {"max_jobs": 5, "worker": "one"}, {"max_jobs": 2, "worker": "far"}]
    project = make_project(
        workers={"one": one, "two": one | {"work_dir": "/b"}, "far": one | {"host": "b.invalid"}},
        limits={"queue_jobs": limits},
    )
    holds = {
        name: [limit.max_jobs for limit in limits_of(project, project.get_worker(name))]
        for name in ("one", "two", "far")
    }
    assert holds == {"one": [9, 5], "two": [9, 5], "far": [9, 2]}
