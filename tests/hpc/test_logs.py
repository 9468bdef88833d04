"""``jfc job logs --follow`` of a job on another machine, over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.cli.job import logs
from jfcelery.controller import JobController
from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.timeout(300)]


def test_a_job_is_followed_over_ssh(
    make_project: ProjectFactory, testbed: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes there comes here piece by piece, until it has ended."""
    worker = testbed.worker("hpcx", "shell")
    project = make_project(workers={"far": worker})
    flow = Queued(JobController.from_project(project).queue, {"a": []}, worker="far")
    steps = _life(flow, testbed, f"{worker['work_dir']}/run")
    monkeypatch.setattr(logs, "pause", lambda _: next(steps)())

    answer = Jfc(project.name)("job", "logs", flow.ids["a"], "--follow")

    assert answer.status == 0, answer.stderr
    assert answer.stdout == (
        "==> queue.out <==\nfirst\n==> queue.err <==\noh\n==> queue.out <==\nlast\n"
    )
    assert "is READY, and has written nothing yet" in answer.stderr
    assert answer.stderr.endswith(f"Job {flow.ids['a']} is COMPLETED.\n")
    assert list(steps) == []


def _life(flow: Queued, testbed: Cluster, folder: str) -> Iterator[Callable[[], None]]:
    """Return what happens between the looks at a job."""

    def there(script: str) -> None:
        testbed.bed.on("hpcx", "sh", "-c", script)

    def start() -> None:
        there(f"mkdir -p {folder} && echo first >{folder}/queue.out")
        flow.jobs.update(flow.bring("a", JobState.RUNNING), {"run_dir": folder})

    def end() -> None:
        there(f"echo last >>{folder}/queue.out")
        doc = flow.jobs.transition(flow.doc("a"), "end", JobState.DOWNLOADED, by="test")
        flow.jobs.transition(doc, "finalize", JobState.COMPLETED, by="test")

    return iter([start, lambda: there(f"echo oh >{folder}/queue.err"), end])
