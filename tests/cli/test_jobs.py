"""``jfc job list``: its columns on any terminal, its filters, its JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jfcelery.cli.job.columns import COLUMNS
from jfcelery.cli.output import local_time
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_the_list_fits_eighty_columns_and_has_the_usual_columns(
    jfc: Jfc, make_flow: MakeFlow
) -> None:
    """The columns are jobflow-remote's; uuids are short where a row has room in two lines only."""
    flow = make_flow({"a job with quite a long name that needs room": []})
    answer = jfc("job", "list")
    assert answer.status == 0
    assert answer.widest <= 80
    for header in ("DB id", "Name", "State", "Job id (Index)", "Worker", "Last updated"):
        assert header.split()[0] in answer.stdout
    uuid = next(iter(flow.uuids.values()))
    assert f"{uuid[:8]}… (1)" in answer.stdout
    wide = jfc("job", "list", columns=200)
    assert uuid in wide.stdout


def test_an_empty_queue_says_how_to_fill_it(jfc: Jfc) -> None:
    """With a filter, that nothing matches it."""
    assert "There are no jobs yet: `jfc submit FILE`" in jfc("job", "list").stderr
    assert "No job matches: worker here." in jfc("job", "list", "-wk", "here").stderr


@pytest.mark.parametrize("flags", [["-v"], ["-vv"]])
def test_more_columns_still_fit(jfc: Jfc, make_flow: MakeFlow, flags: list[str]) -> None:
    """However many columns are shown, no line is wider than the terminal."""
    make_flow(_CHAIN)
    assert jfc("job", "list", *flags).widest <= 80


def test_names_stay_whole_where_titles_can_fold(jfc: Jfc, make_flow: MakeFlow) -> None:
    """With the columns of a job that runs, too, a name has room on a line of 80 characters."""
    make_flow({"band structure": []}).bring("band structure", _S.RUNNING)
    answer = jfc("job", "list", "-v")
    assert answer.widest <= 80
    assert "band structure" in answer.stdout
    assert all(word in answer.stdout.split() for word in ("Queue", "Prev", "SU"))


def test_short_times_are_clear(jfc: Jfc, controller: JobController, make_flow: MakeFlow) -> None:
    """Where there is little room a time has no year; one of long ago has no hour."""
    make_flow({"a": []})
    (job,) = controller.get_jobs_info()
    now = local_time(job.updated_on)
    old = job.model_copy(update={"updated_on": datetime(2021, 3, 5, 12, tzinfo=UTC)})
    assert COLUMNS["last_updated"].text(job, short=True) == now[5:]
    assert COLUMNS["last_updated"].text(old, short=True) == "2021-03-05"
    assert now in jfc("job", "list", columns=200).stdout
    assert now not in (narrow := jfc("job", "list", columns=60).stdout)
    assert now[5:] in narrow


def test_long_queue_ids_are_cut_short_where_there_is_no_room(
    jfc: Jfc, controller: JobController, make_flow: MakeFlow
) -> None:
    """Ids of processes are long; numbers of schedulers stay whole."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    long_id, number = "10073-410202-3de522b0.4026531836@node17", "123456789"
    (job,) = controller.get_jobs_info()
    for given, short in ((long_id, "10073-41…"), (number, number)):
        controller.actions.jobs.update(flow.doc("a"), {"remote.process_id": given})
        (job,) = controller.get_jobs_info()
        assert COLUMNS["queue_id"].text(job, short=True) == short
        assert given in jfc("job", "list", "-v", columns=200).stdout
    assert COLUMNS["prev_state"].text(job, short=True) == "SU"


def test_json_is_a_list_of_documents_with_times_in_utc(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The schema that scripts rely on."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.FAILED)
    (job,) = jfc("job", "list", "--json").data
    assert job["db_id"] == flow.ids["a"]
    assert job["state"] == "FAILED"
    assert job["uuid"] == flow.uuids["a"]
    assert job["updated_on"].endswith("Z")
    assert job["remote"]["process_id"] == f"q{flow.ids['a']}"
    assert {"name", "worker", "index", "metadata", "hosts", "parents", "run_dir"} <= set(job)


def test_filters_select_jobs(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Each filter of JFILT does what it says, and all given ones must hold."""
    one = make_flow(_CHAIN, name="one")
    two = make_flow({"alpha": [], "beta": []}, name="two", metadata={"kind": "x", "n": 3})
    one.bring("a", _S.REMOTE_ERROR)
    two.bring("alpha", _S.COMPLETED)

    def names(*args: str) -> set[str]:
        return {job["name"] for job in jfc("job", "list", "--json", *args).data}

    assert names("-s", "RERR") == {"a"}
    assert names("-s", "completed", "-s", "W") == {"alpha", "b", "c"}
    assert names("-fid", one.flow) == {"a", "b", "c"}
    assert names("-fid", two.ids["beta"]) == {"alpha", "beta"}
    assert names("-did", one.ids["a"], "-did", two.ids["alpha"]) == {"a", "alpha"}
    assert names("-jid", f"{one.uuids['b']}:1") == {"b"}
    assert names("-n", "*a") == {"a", "alpha", "beta"}
    assert names("-n", "b") == {"b"}
    assert names("-n", "[bc]") == {"b", "c"}
    assert names("-meta", "kind=x,n=3") == {"alpha", "beta"}
    assert names("-meta", '{"kind": "x"}', "-s", "C") == {"alpha"}
    assert names("-wk", "here") == {"a", "b", "c", "alpha", "beta"}
    assert names("-wk", "there") == set()
    assert names("-q", '{"priority": {"$gt": 0}}') == set()
    assert names("--error-class", "OutputMissingError") == {"a"}
    assert names("--error-regex", "no such") == {"a"}
    assert names("-hs", "1", "-e") == {"a"}
    assert names("-edate", "2020-01-01") == set()
    assert names("-lf", "1") == {"alpha", "beta"}
    assert names("-run") == set()


def test_a_refused_query_is_explained(jfc: Jfc, make_flow: MakeFlow) -> None:
    """A raw query that the database does not understand is the person's error, not ours."""
    make_flow({"a": []})
    answer = jfc("job", "list", "-q", '{"state": {"$nonsense": 1}}')
    assert answer.status == 1
    assert "refuses the query" in answer.stderr


def test_lists_are_sorted_by_number_and_cut_with_a_word(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Db ids sort as numbers; what is left out is said on stderr."""
    make_flow({f"j{i}": [] for i in range(12)})
    answer = jfc("job", "list", "--sort", "db_id", "-revs", "-m", "10", "--json")
    assert [int(job["db_id"]) for job in answer.data] == list(range(1, 11))
    assert "Only 10 jobs" in jfc("job", "list", "-m", "10").stderr
    assert "Only" not in jfc("job", "list", "-m", "0").stderr
    assert jfc("job", "list", "--count").stdout == "Number of jobs: 12\n"
    assert jfc("job", "list", "--count", "--json").data == {"count": 12}


def test_columns_can_be_chosen(
    jfc: Jfc, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option, or by the person's settings; unknown ones are answered with the known."""
    flow = make_flow({"a": []})
    assert jfc("job", "list", "-o", "db_id,state").stdout.split()[-2:] == [flow.ids["a"], "READY"]
    wrong = jfc("job", "list", "-o", "db_id,stat")
    assert wrong.status == 1
    assert "Did you mean 'state'" in wrong.stderr
    monkeypatch.setenv("JFCELERY_CLI_JOB_LIST_COLUMNS", "name,worker")
    assert jfc("job", "list").stdout.split()[:2] == ["Name", "Worker"]


def test_an_empty_list_says_what_was_asked_for(jfc: Jfc) -> None:
    """Nothing found is no error; JSON is an empty list."""
    answer = jfc("job", "list", "-s", "F")
    assert answer.status == 0
    assert "state FAILED" in answer.stderr
    assert jfc("job", "list", "-s", "F", "--json").data == []


def test_empty_columns_are_left_out_where_there_is_no_room(jfc: Jfc, make_flow: MakeFlow) -> None:
    """On 80 columns the titles of the others stay whole; a wide terminal has all of them."""
    make_flow({"a": []}).bring("a", _S.CHECKED_OUT)
    narrow, wide = jfc("job", "list", "-v"), jfc("job", "list", "-v", columns=200)
    assert narrow.widest <= 80
    assert "Prev state" in narrow.stdout
    assert "Queue id" not in narrow.stdout
    assert "Queue id" in wide.stdout
