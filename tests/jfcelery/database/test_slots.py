"""Places in a worker's queue are exact, whoever takes them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jfcelery.database.slots import Slots

if TYPE_CHECKING:
    from jfcelery.database.connection import QueueDatabase


def test_never_more_than_the_limit(queue: QueueDatabase) -> None:
    """Of ten threads that want three places at once, three get one."""
    slots = Slots(queue, "w")
    got: list[str] = []
    start = threading.Barrier(10)

    def take(job: str) -> None:
        start.wait()
        if slots.acquire(job, 3):
            got.append(job)

    threads = [threading.Thread(target=take, args=(f"j{n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    assert sorted(slots.held()) == sorted(got)


def test_taking_twice_and_giving_back_twice_is_once(queue: QueueDatabase) -> None:
    """A repeated step neither takes a second place nor frees somebody else's."""
    slots = Slots(queue, "w")
    assert slots.acquire("a", 1)
    assert slots.acquire("a", 1)
    assert not slots.acquire("b", 1)
    assert slots.release("a")
    assert not slots.release("a")
    assert slots.acquire("b", 1)


def test_no_limit_needs_no_place(queue: QueueDatabase) -> None:
    """A worker without max_jobs keeps no record."""
    assert Slots(queue, "w").acquire("a", None)
    assert Slots(queue, "w").held() == []


def test_places_of_vanished_jobs_are_taken_back(queue: QueueDatabase) -> None:
    """Holders that are not entitled lose their place, those that came meanwhile do not."""
    slots = Slots(queue, "w")
    for job in ("a", "b"):
        slots.acquire(job, 5)
    seen = slots.held()
    slots.acquire("c", 5)
    assert slots.keep_only(seen, {"a"})
    assert slots.held() == ["a", "c"]
    assert not slots.keep_only(slots.held(), {"a", "c"})
