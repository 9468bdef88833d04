"""Commands that change jobs: what they ask, what they touch, what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_operations_say_what_they_touch_and_do_it(jfc: Jfc, make_flow: MakeFlow) -> None:
    """What is touched goes to stderr before, what was done to stdout after."""
    flow = make_flow(_CHAIN)
    answer = jfc("job", "pause", "-fid", flow.flow)
    assert answer.status == 0
    assert "Pause 3 jobs: 2 WAITING, 1 READY" in answer.stderr
    assert answer.stdout == "3 jobs paused: 1, 2, 3\n"
    assert set(flow.states().values()) == {_S.PAUSED}
    assert jfc("job", "play", flow.ids["a"]).stdout == "1 job resumed: 1\n"


def test_operations_without_a_filter_ask(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Everything is touched only when that is confirmed."""
    flow = make_flow(_CHAIN)
    answer = jfc("job", "pause", stdin="n\n")
    assert answer.status == 1
    assert "all jobs of the project" in answer.stderr
    assert flow.state("a") is _S.READY
    assert jfc("job", "pause", stdin="y\n").status == 0
    assert flow.state("a") is _S.PAUSED
    assert jfc("job", "resume", "--yes").status == 0


def test_refused_jobs_are_reported_with_the_reason_and_status_1(
    jfc: Jfc, make_flow: MakeFlow
) -> None:
    """The rest is done nevertheless; JSON tells both apart."""
    flow = make_flow(_CHAIN)
    flow.bring("a", _S.COMPLETED)
    answer = jfc("job", "pause", "-did", "1", "-did", "2", "-did", "3")
    assert answer.status == 1
    assert answer.stdout == "2 jobs paused: 2, 3\n"
    assert "Job 1: it is COMPLETED" in answer.stderr
    assert "Each of jobs 2, 3: it is PAUSED" in jfc("job", "pause", "-s", "PAUSED").stderr
    again = jfc("job", "pause", "-fid", flow.flow, "--json")
    assert again.status == 1
    assert again.data["changed"] == []
    assert {refused["db_id"] for refused in again.data["refused"]} == {"1", "2", "3"}
    strict = jfc("job", "resume", "-fid", flow.flow, "-re")
    assert strict.status == 1
    assert "Job 1:" in strict.stderr
    assert flow.state("b") is _S.PAUSED


def test_a_filter_leaves_alone_what_it_is_not_meant_for(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Of a flow that is half done the rest is paused, and resumed: that is no failure."""
    flow = make_flow({**_CHAIN, "d": []})
    flow.bring("a", _S.COMPLETED)
    paused = jfc("job", "pause", "-fid", flow.flow, "-y")
    assert (paused.status, paused.stdout) == (0, "3 jobs paused: 2, 3, 4\n")
    assert "Pause 3 jobs: 2 READY, 1 WAITING\n1 other left as it is: 1 COMPLETED\n" in paused.stderr
    resumed = jfc("job", "resume", "-fid", flow.flow, "-s", "PAUSED", "-s", "COMPLETED", "--json")
    assert resumed.status == 0
    assert (set(resumed.data["changed"]), resumed.data["refused"]) == ({"2", "3", "4"}, [])
    flow.bring("d", _S.COMPLETED)
    asked = jfc("job", "pause", stdin="n\n")
    assert (asked.status, flow.state("b")) == (1, _S.READY)
    both = jfc("job", "pause", "--yes")
    assert "2 others left as they are: 2 COMPLETED" in both.stderr
    strict = jfc("job", "resume", "-fid", flow.flow, "-re")
    assert (strict.status, flow.state("b")) == (1, _S.PAUSED)


def test_nothing_to_operate_on_is_an_error(jfc: Jfc, make_flow: MakeFlow) -> None:
    """A filter that matches nothing ends with status 1 and is repeated."""
    make_flow(_CHAIN)
    answer = jfc("job", "stop", "-s", "RUNNING", "-wk", "here")
    assert answer.status == 1
    assert "state RUNNING" in answer.stderr
    assert "worker here" in answer.stderr


def test_the_life_of_a_job_in_commands(jfc: Jfc, make_flow: MakeFlow) -> None:
    """stop, resume, retry, rerun and set-state, one after the other."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    assert jfc("job", "stop", "1").stdout == "1 job stopped: 1\n"
    assert jfc("job", "resume", "1").status == 0
    flow.bring("a", _S.REMOTE_ERROR)
    assert jfc("job", "retry", "1").status == 0
    assert flow.state("a") is _S.DOWNLOADED
    assert jfc("job", "rerun", "1", "-nd").status == 0
    assert flow.state("a") is _S.READY
    asked = jfc("job", "set-state", "COMPLETED", "1", stdin="n\n")
    assert asked.status == 1
    assert "inconsistent" in asked.stderr
    assert jfc("job", "set-state", "completed", "1", "-y").status == 0
    refused = jfc("job", "rerun", "1")
    assert refused.status == 1
    assert "--force" in refused.stderr
    assert jfc("job", "rerun", "1", "--force", "-y").status == 0


def test_properties_are_set(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Priority and resources by command; what the project lacks is refused."""
    flow = make_flow({"a": []})
    assert jfc("job", "set", "priority", "5", "-did", "1").status == 0
    assert flow.doc("a").priority == 5
    assert jfc("job", "set", "priority", "6", "1").stdout == "1 job given priority 6: 1\n"
    assert flow.doc("a").priority == 6
    assert jfc("job", "set", "resources", "job_name=x", "-did", "1").status == 0
    assert flow.doc("a").resources == {"job_name": "x"}
    wrong = jfc("job", "set", "worker", "elsewhere", "-did", "1")
    assert wrong.status == 2
    assert "elsewhere" in wrong.stderr
    wrong = jfc("job", "set", "resources", "nodez=2", "-did", "1")
    assert wrong.status == 1
    assert "nodez" in wrong.stderr
    assert jfc("job", "set", "exec-config", "none", "-did", "1").status == 2
    assert jfc("job", "set", "resources", "a=1", "-qr", "-did", "1").status == 1


def test_deleting_asks_and_takes_an_empty_flow_along(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """Nothing is deleted without a yes; the last job takes the flow with it."""
    flow = make_flow({"a": [], "b": []})
    assert jfc("job", "delete", "1", stdin="n\n").status == 1
    assert jfc("job", "delete", "1", "-y").stdout == "1 job deleted: 1\n"
    assert controller.count_flows() == 1
    assert jfc("job", "delete", "-fid", flow.flow, "-y", "--all").status == 0
    assert controller.count_flows() == 0
    assert controller.count_jobs() == 0
    assert controller.queue.payloads.count_documents({}) == 0


def test_more_jobs_than_ten_are_deleted_only_when_their_number_is_meant(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """A filter that is too wide deletes nothing."""
    flow = make_flow({name: [] for name in "abcdefghijk"})
    over = jfc("job", "delete", "-fid", flow.flow, "-y")
    assert over.status == 1
    assert "11 jobs match" in over.stderr
    assert "--max 11" in over.stderr
    assert controller.count_jobs() == 11
    assert jfc("job", "delete", "-did", "1", "-y").status == 0
    assert jfc("job", "delete", "-fid", flow.flow, "-y", "-m", "9").status == 1
    assert jfc("job", "delete", "-fid", flow.flow, "-y", "--max", "0").status == 0
    assert controller.count_jobs() == 0


def test_a_job_whose_queue_job_is_not_gone_is_not_deleted(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Without a running runner nothing confirms the end: the job stays, stopped."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    answer = jfc("job", "delete", "1", "-y", "-w", "0")
    assert answer.status == 1
    assert "not confirmed to be gone" in answer.stderr
    assert flow.state("a") is _S.USER_STOPPED


def test_rerun_of_a_running_job_asks_because_its_work_is_lost(
    jfc: Jfc, make_flow: MakeFlow
) -> None:
    """Nothing is done without a yes; a job that failed is run again without a question."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("a", _S.RUNNING)
    flow.bring("b", _S.FAILED)

    refused = jfc("job", "rerun", flow.ids["a"], stdin="n\n")

    assert refused.status == 1
    assert "would be killed" in refused.stderr
    assert flow.state("a") is _S.RUNNING
    assert jfc("job", "rerun", flow.ids["b"]).status == 0
    assert jfc("job", "rerun", flow.ids["a"], "-y").status == 0
    assert flow.state("a") is _S.READY
