"""Places in a worker's queue are exact, whoever takes them."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from jfcelery.database.slots import Slots
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from tests.support.entries import flow_of
from tests.support.tree import TREE

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.jobs import Jobs
    from jfcelery.project import Project

#: Moves of the processes that want places: each takes one, and gives it back.
MOVES = 20


def test_never_more_than_the_limit(queue: QueueDatabase) -> None:
    """Of ten threads that want three places at once, three get one."""
    slots = Slots(queue, "w")
    got: list[str] = []
    start = threading.Barrier(10)

    def take(job: str) -> None:
        start.wait()
        if slots.acquire([job], 3):
            got.append(job)

    threads = [threading.Thread(target=take, args=(f"j{n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    assert sorted(slots.held()) == sorted(got)


def test_never_more_than_the_limit_over_processes(
    queue: QueueDatabase, project: Project, tmp_path: Path
) -> None:
    """Of five processes one is killed while it holds a place; the others share the rest."""
    notes = tmp_path / "notes"
    notes.touch()
    fixed = [sys.executable, "-m", "tests.support.placing", str(project.source), str(notes), "3"]

    def start(name: str, count: int) -> subprocess.Popen[bytes]:
        argv = [*fixed, name, str(count)]
        return subprocess.Popen(argv, cwd=TREE, stdout=subprocess.PIPE)

    processes = [start(f"p{n}", MOVES) for n in range(4)]
    killed = start("dead", 0)
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"held\n"
    killed.kill()
    killed.communicate()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    moves = [1 if move == "+" else -1 for move in notes.read_text()]
    assert max(itertools.accumulate(moves)) <= 3
    assert moves.count(1) == 4 * MOVES + 1
    slots = Slots(queue, "w")
    assert slots.held() == ["dead"]
    assert slots.keep_only(slots.held(), [])
    assert [slots.acquire([f"j{n}"], 3) for n in range(4)] == [{"j0"}, {"j1"}, {"j2"}, set()]


def test_taking_twice_and_giving_back_twice_is_once(queue: QueueDatabase) -> None:
    """A repeated step neither takes a second place nor frees somebody else's."""
    slots = Slots(queue, "w")
    assert slots.acquire(["a"], 1)
    assert slots.acquire(["a"], 1)
    assert not slots.acquire(["b"], 1)
    assert slots.release(["a"])
    assert not slots.release(["a"])
    assert slots.acquire(["b"], 1)


def test_of_many_at_once_the_first_get_the_places_that_are_free(queue: QueueDatabase) -> None:
    """Those that had one keep it, and do not count twice; all go back with one command."""
    slots = Slots(queue, "w")
    assert slots.acquire(["a", "b"], 4) == {"a", "b"}
    assert slots.acquire(["c", "b", "d", "e", "a", "f"], 4) == {"a", "b", "c", "d"}
    assert slots.held() == ["a", "b", "c", "d"]
    assert slots.acquire(["g", "a"], 3) == {"a"}  # the limit was lowered
    assert slots.release(["b", "d", "x"])
    assert slots.held() == ["a", "c"]
    assert not slots.release([])


def test_no_limit_needs_no_place(queue: QueueDatabase) -> None:
    """A worker without max_jobs keeps no record."""
    assert Slots(queue, "w").acquire(["a"], None)
    assert Slots(queue, "w").held() == []


def test_a_limit_that_comes_later_counts_what_is_in_the_queue(
    queue: QueueDatabase, jobs: Jobs
) -> None:
    """Each time that it comes: jobs that were submitted without a limit hold places, too."""
    add_flow(queue, flow_of({name: [] for name in "abcd"}), Placement(worker="w"))
    slots = Slots(queue, "w")
    for limit, expected in ((1, ["a_1"]), (2, ["a_1", "b_1"])):
        queued = expected[-1].removesuffix("_1")
        assert slots.acquire([f"{queued}_1"], None)
        for event, target in (
            ("checkout", JobState.CHECKED_OUT),
            ("upload", JobState.UPLOADED),
            ("submit", JobState.SUBMITTED),
        ):
            jobs.transition(jobs.get(queued), event, target, by="test")
        assert not slots.acquire(["c_1"], limit)
        assert sorted(slots.held()) == expected
    assert slots.acquire(["c_1"], 3)
    assert not slots.acquire(["d_1"], 3)


def test_places_of_vanished_jobs_are_taken_back(queue: QueueDatabase) -> None:
    """Holders that are not entitled lose their place, those that came meanwhile do not."""
    slots = Slots(queue, "w")
    for job in ("a", "b"):
        slots.acquire([job], 5)
    seen = slots.held()
    slots.acquire(["c"], 5)
    assert slots.keep_only(seen, {"a"})
    assert slots.held() == ["a", "c"]
    assert not slots.keep_only(slots.held(), {"a", "c"})
