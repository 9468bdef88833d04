"""The ends of jobs on this machine are seen at once, whoever submitted them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.submit import submit
from jfcelery.tasks.watch import only_one, wait_for_an_end, wait_for_news, watch_soon
from tests.support.bench import Recorder
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import pytest

    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench


def add(bench: Bench, name: str) -> None:
    """Add a quick job."""
    flow = flow_of({name: []}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))


def test_a_submission_asks_for_a_watch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes out once the job is SUBMITTED, so that whoever watches finds it."""
    add(bench, "a")
    checkout(bench.runtime)
    seen: list[JobState] = []
    monkeypatch.setattr(
        Recorder, "watch", lambda *_: seen.append(bench.runtime.jobs.get("a").state)
    )
    bench.drain()
    assert seen == [JobState.SUBMITTED]


def test_who_watches_already_is_told(bench: Bench) -> None:
    """No message is sent then, and the news are there even if the watch has not begun to wait."""
    worker = bench.project.get_worker("here")
    with only_one(bench.runtime, "local") as alone:
        assert alone
        watch_soon(bench.runtime, worker)
        assert bench.recorder.watches == []
        began = time.monotonic()
        assert wait_for_an_end(bench.runtime, "local", [], began + 60) == set()
        assert not wait_for_news(bench.runtime, "local", 0)
    watch_soon(bench.runtime, worker)
    assert bench.recorder.watches == ["local"]


def test_other_queues_are_not_watched(make_bench: MakeBench) -> None:
    """Of a host with a scheduler there is nothing that could be looked at."""
    bench = make_bench(worker={"type": "remote", "host": "far.example.org"})
    watch_soon(bench.runtime, bench.project.get_worker("here"))
    assert bench.recorder.watches == []


def test_a_job_that_comes_during_a_watch_is_seen_by_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch outlives the jobs that it began with, and takes the next of a chain."""
    monkeypatch.setattr("jfcelery.tasks.poll.WATCH", 600.0)
    monkeypatch.setattr("jfcelery.tasks.poll.LINGER", 600.0)
    add(bench, "a")
    checkout(bench.runtime)
    bench.drain()
    bench.recorder.watches.clear()
    watch = threading.Thread(target=poll_host, args=(bench.runtime, "local"), daemon=True)
    watch.start()
    wait_until(lambda: bench.runtime.jobs.get("a").state is JobState.DOWNLOADED, "the first end")
    bench.messages.clear()
    add(bench, "b")
    checkout(bench.runtime)
    # The end of the first is sent on as well, maybe only now.
    upload = next(message for message in bench.messages if message.args[0] == "b")
    bench.deliver(upload)
    assert submit.run(bench.runtime, "b", 1, bench.runtime.jobs.get("b").epoch)
    assert bench.recorder.watches == []
    wait_until(lambda: bench.runtime.jobs.get("b").state is JobState.DOWNLOADED, "the second end")
    monkeypatch.setattr("jfcelery.tasks.poll.LINGER", 0.0)
    watch_soon(bench.runtime, bench.project.get_worker("here"))
    watch.join(60)
    assert not watch.is_alive()
