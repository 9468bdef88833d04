"""People are told what happens: once, in few messages, by real servers, and jobs never notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow

from jfcelery import submit_flow
from jfcelery.controller.bulk import Manner
from jfcelery.controller.rerun import Rerun
from jfcelery.database.connection import open_queue
from jfcelery.errors import ConnectionFailedError, LoginNeededError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.doctor.report import write_report
from jfcelery.tasks.notifications import delivery
from jfcelery.tasks.notifications.outbox import MOST_LINES, WAITS
from jfcelery.tasks.notifications.telling import LOOK, look, notify
from jfcelery.tasks.runtime import Runtime
from tests.support.calling import Jfc
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.jobs import add, fail
from tests.support.receivers import Post, mail_server, web_post
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bench import Bench
    from tests.support.projects import ProjectFactory
    from tests.tasks.conftest import MakeBench

#: Of the receiver's address; nobody may read it.
SECRET = "hush-hush"


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    """A web server that takes messages."""
    with web_post(SECRET) as running_server:
        yield running_server


@pytest.fixture
def post(server: Post) -> Post:
    """The same, with nothing in it."""
    server.texts()
    server.status = 200
    server.hold.set()
    return server


def rule(post: Post, *events: str, **options: Any) -> dict[str, Any]:
    """Return a rule whose messages come at once."""
    return {"urls": [post.url], "events": events, "digest": 0, **options}


def insert(bench: Bench, edges: dict[str, list[str]]) -> str:
    """Add quick jobs, and return their flow."""
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def told(bench: Bench, post: Post, seconds: float = LOOK) -> list[str]:
    """Let time pass, have two Celery workers look, and return what came."""
    bench.forward(seconds)
    for runtime in (bench.runtime, Runtime(bench.project)):
        notify(runtime)
    return post.texts()


def test_flows_are_told_once_and_again_after_a_rerun(make_bench: MakeBench, post: Post) -> None:
    """The end of each flow comes once, whoever looks; a flow that fails anew is told anew."""
    bench = make_bench(notifications=[rule(post, "flow_completed", "flow_failed")])
    assert told(bench, post) == []
    (bench.folder / "fail").write_text("a_1\n")
    failing, well = insert(bench, {"a": [], "b": ["a"]}), insert(bench, {"x": []})
    bench.run_until_rest(failing)
    bench.run_until_rest(well)
    (message,) = told(bench, post)
    assert message.startswith(f"jfcelery {bench.project.name}: 1 flow completed, 1 flow failed\n")
    assert "flow 1 (flow) FAILED: job 1 (job a) FAILED, ValueError; of 2 jobs" in message
    assert "flow 3 (flow) COMPLETED: 1 jobs" in message
    assert told(bench, post) == told(bench, post, 300) == []
    Rerun(bench.project, bench.runtime.jobs).run([bench.runtime.jobs.get("a")], Manner(wait=30))
    bench.run_until_rest(failing)
    (again,) = told(bench, post)
    assert "1 flow failed\n" in again
    assert told(bench, post) == []


def test_jobs_are_told_by_their_error_and_recoveries_too(make_bench: MakeBench, post: Post) -> None:
    """A rule hears of the errors that it names, and of rules of recovery with ``notify``."""
    bench = make_bench(
        recovery=[{"on": ["ValueError"], "notify": True}],
        notifications=[
            rule(post, "job_failed", on=["ValueError"]),
            rule(post, "job_failed", on=["OutputMissingError", "TIMEOUT"]),
            rule(post, "job_recovered"),
        ],
    )
    told(bench, post)
    (bench.folder / "fail").write_text("a_1\n")
    bench.run_until_rest(insert(bench, {"a": [], "b": []}))
    failed, recovered = told(bench, post)
    assert "1 job failed" in failed
    assert "job 1 (job a) FAILED on here: builtins.ValueError: on purpose" in failed
    assert "1 job recovered" in recovered
    assert "job 1 (job a): ValueError (1 of 1): new attempt" in recovered
    assert told(bench, post) == []
    assert bench.runtime.queue.auxiliary.count_documents({"_id": {"$regex": "^notice:"}}) == 0


def test_a_flow_of_which_nothing_moves_is_told(make_bench: MakeBench, post: Post) -> None:
    """Not while something of it moves, nor at once; after a retry in vain once more."""
    bench = make_bench(
        worker={"execution_cmd": "false {}"}, notifications=[rule(post, "flow_stuck")]
    )
    told(bench, post)
    flow = insert(bench, {"a": [], "b": ["a"]})
    assert told(bench, post, 150) == [], "it is READY"
    assert bench.run_until_rest(flow) == {"a": "RERR", "b": "W"}
    assert told(bench, post) == []
    (message,) = told(bench, post, 130)
    assert "is stuck: job 1 (job a) REMOTE_ERROR, OutputMissingError; of 2 jobs" in message
    assert told(bench, post, 130) == []
    Rerun(bench.project, bench.runtime.jobs).run([bench.runtime.jobs.get("a")], Manner(wait=30))
    told(bench, post)
    bench.run_until_rest(flow)
    assert len(told(bench, post, 130)) == 1


def test_hosts_are_told_when_they_go_and_come(make_bench: MakeBench, post: Post) -> None:
    """A blip is none; a host that is down is told once, and once that it is back."""
    bench = make_bench(notifications=[rule(post, "host_down", "host_up")])
    records = bench.runtime.host_records
    (host,) = bench.project.hosts
    trouble = ConnectionFailedError("no route to mongodb://u:pw@elsewhere")
    records.failed(host, trouble)
    assert told(bench, post) == []
    records.failed(host, trouble, probe=True)
    (down,) = told(bench, post)
    assert f"host {host} (worker here) is held back: no route to" in down
    assert "pw@" not in down
    records.failed(host, trouble, probe=True)
    assert told(bench, post, 600) == []
    records.answered(host)
    (back,) = told(bench, post)
    assert f"host {host} answers again, after 10 minutes" in back
    records.failed(host, LoginNeededError("nobody is logged in"))
    (login,) = told(bench, post)
    assert "1 login needed" in login
    assert "jfc worker login here" in login


def test_a_flood_is_one_bounded_message(make_bench: MakeBench, post: Post) -> None:
    """Hundreds of events come as one message with the first of them, the rest as a number."""
    bench = make_bench(notifications=[rule(post, "job_failed", digest=300)])
    told(bench, post)
    names = [f"j{number}" for number in range(3 * MOST_LINES)]
    insert(bench, {name: [] for name in names})
    jobs = bench.runtime.jobs

    def fail_some(some: list[str]) -> None:
        docs = [jobs.get(name) for name in some]
        jobs.transition_many(docs, "set_state", JobState.FAILED, by="test")

    fail_some(names[:1])
    assert told(bench, post, 3) == [], "what comes at once goes together"
    fail_some(names[1:-1])
    (message,) = told(bench, post)
    assert f"{len(names) - 1} jobs failed" in message
    assert message.count(" UTC  ") == MOST_LINES
    assert f"... and {len(names) - 1 - MOST_LINES} more" in message
    fail_some(names[-1:])
    assert told(bench, post, 290) == []
    (later,) = told(bench, post, 20)
    assert "1 job failed" in later


def test_a_message_that_nobody_takes_is_tried_again_then_shown(
    make_bench: MakeBench, post: Post
) -> None:
    """A few times; then the doctor says so, without the secret; the next message forgets it."""
    bench = make_bench(
        notifications=[rule(post, "flow_completed", urls=[post.url, post.url + "&b=1"])]
    )
    told(bench, post)
    post.status = 503
    flow = insert(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "C"}, "jobs do not care"
    jfc = Jfc(bench.project.name)
    assert told(bench, post) == []
    (row,) = _doctor(jfc)
    assert "tried again after 1 tries" in row["text"]
    for wait in WAITS:
        assert told(bench, post, wait + 1) == []
    (row,) = _doctor(jfc)
    assert row["level"] == "warning"
    assert "given up after 4 tries" in row["text"]
    assert "json://127.0.0.1: " in row["text"]
    assert "503" in row["text"]
    assert row["remedy"].endswith("jfc notify test")
    assert SECRET not in str(bench.runtime.queue.auxiliary.find_one({"_id": "notifications"}))
    post.status = 200
    bench.run_until_rest(insert(bench, {"b": []}))
    assert len(told(bench, post)) == 2
    (row,) = _doctor(jfc)
    assert row["level"] == "ok"
    write_report(bench.project, [], bench.folder / "report.zip")
    assert SECRET.encode() not in (bench.folder / "report.zip").read_bytes()


def _doctor(jfc: Jfc) -> list[dict[str, str]]:
    found = jfc("doctor", "--json", "--no-workers").data["findings"]
    return [row for row in found if row["subject"].startswith("notification")]


def test_sending_has_an_end(
    make_bench: MakeBench, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not answer holds nobody up for longer than a bounded time."""
    bench = make_bench(notifications=[rule(post, "host_down")])
    monkeypatch.setattr(delivery, "TIMEOUT", 0.5)
    post.hold.clear()
    errors = delivery.deliver(bench.project.notifications[0], "title", "text")
    assert errors == {0: "json://127.0.0.1: no answer within 0 s"}


def test_who_dies_between_looking_and_sending_loses_nothing(
    make_bench: MakeBench, post: Post
) -> None:
    """What was seen is in the database; another Celery worker sends it."""
    bench = make_bench(notifications=[rule(post, "flow_completed")])
    told(bench, post)
    bench.run_until_rest(insert(bench, {"a": []}))
    bench.forward(LOOK)
    look(bench.runtime)
    assert post.texts() == []
    assert len(told(bench, post)) == 1


def test_addresses_are_tried_from_the_terminal(make_project: ProjectFactory, post: Post) -> None:
    """``jfc notify test`` sends by each rule, and says without secrets who did not take it."""
    wrong = f"nonsense://{SECRET}token/abcdef"
    rules = [rule(post, "flow_failed"), rule(post, "host_up", urls=[wrong])]
    jfc = Jfc(make_project(notifications=rules).name)
    answer = jfc("notify", "test")
    assert answer.status == 2
    assert "ok    rule 1: json://127.0.0.1" in answer.stdout
    assert "FAIL  rule 2: nonsense://**********: apprise does not understand" in answer.stdout
    assert SECRET not in answer.stdout + answer.stderr
    (message,) = post.texts()
    assert "test message" in message
    assert jfc("notify", "test", "--rule", "1", "--json").data[0]["ok"] is True
    assert jfc("notify", "test", "--rule", "3").status == 2


def test_the_running_system_tells_by_web_and_mail(
    make_project: ProjectFactory, post: Post, tmp_path: Path
) -> None:
    """Celery workers and beat: a flow that fails and one that completes reach both servers."""
    with mail_server() as (address, mails):
        rules = [
            rule(post, "flow_failed", "flow_completed"),
            {"urls": [address], "events": ["flow_failed"], "digest": 0},
        ]
        project = make_project(notifications=rules)
        with running(project, tmp_path) as system:
            # What was before the first look of all is not told.
            records = open_queue(project).auxiliary
            wait_until(lambda: records.find_one({"_id": "notifications"}), "the first look")
            submit_flow(Flow([fail()]), project=project.name)
            submit_flow(Flow([add(1, 2)]), project=project.name)
            came: list[str] = []

            def all_there() -> bool:
                came.extend(post.texts())
                text = "".join(came)
                return bool("FAILED" in text and "COMPLETED" in text and mails)

            try:
                wait_until(all_there, "the messages")
            except TimeoutError as error:
                raise AssertionError(system.logs()) from error
    assert "me@example.org" in mails[0]
    assert "1 flow failed" in mails[0]
    assert len(mails) == 1
