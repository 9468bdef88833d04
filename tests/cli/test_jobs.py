"""``jfc job …``: listing, showing and changing jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
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


def test_info_finds_a_job_by_any_id(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Db id, uuid, uuid and index, id in the queue."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    by_db_id = jfc("job", "info", flow.ids["a"])
    assert by_db_id.status == 0
    assert by_db_id.widest <= 80
    assert "RUNNING" in by_db_id.stdout
    uuid = flow.uuids["a"]
    for ids in ([uuid], [uuid, "1"], ["--pid", f"q{flow.ids['a']}"]):
        assert jfc("job", "info", *ids, "--json").data["db_id"] == flow.ids["a"]
    assert jfc("job", "info", uuid, "-vv", "--json").data["job"]["uuid"] == uuid


@pytest.mark.parametrize(
    "args,said",
    [
        (["99"], "No job has the db id 99"),
        (["e1d66c4f-81db-4fff-bda2-2bf1d79d5961"], "No job has the uuid e1d66c4f"),
        (["e1d66c4f-81db-4fff-bda2-2bf1d79d5961", "3"], ":3"),
        (["1", "2"], "Leave the index out"),
        (["--pid", "77"], "77"),
        (["nonsense"], "no db id"),
    ],
)
def test_info_of_what_does_not_exist_says_so(jfc: Jfc, args: list[str], said: str) -> None:
    """One or two lines, status 1."""
    answer = jfc("job", "info", *args)
    assert answer.status == 1
    assert said in answer.stderr
    assert answer.stderr.count("\n") <= 2


def test_info_of_a_failed_job_shows_the_error_and_what_to_do(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The error text stands in full; the hint names the command."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.FAILED)
    answer = jfc("job", "info", flow.ids["a"])
    assert "ValueError: wrong" in answer.stdout
    assert f"jfc job rerun {flow.ids['a']}" in answer.stderr


def test_history_shows_every_change(jfc: Jfc, make_flow: MakeFlow) -> None:
    """In order, with who did it."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.UPLOADED)
    answer = jfc("job", "history", flow.ids["a"])
    assert answer.widest <= 80
    changes = jfc("job", "history", flow.ids["a"], "--json").data
    assert [change["target"] for change in changes] == ["READY", "CHECKED_OUT", "UPLOADED"]


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
    answer = jfc("job", "pause", "-fid", flow.flow)
    assert answer.status == 1
    assert answer.stdout == "2 jobs paused: 2, 3\n"
    assert "Job 1: it is COMPLETED" in answer.stderr
    again = jfc("job", "pause", "-fid", flow.flow, "--json")
    assert again.status == 1
    assert again.data["changed"] == []
    assert {refused["db_id"] for refused in again.data["refused"]} == {"1", "2", "3"}
    strict = jfc("job", "resume", "-fid", flow.flow, "-re")
    assert strict.status == 1
    assert "Job 1:" in strict.stderr
    assert flow.state("b") is _S.PAUSED


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


def test_output_of_a_job_comes_from_the_jobstore(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """On the screen, as JSON and in a file; a missing one is said to be missing."""
    flow = make_flow({"a": []})
    assert jfc("job", "output", "1").status == 1
    store = controller.project.get_jobstore()
    store.connect()
    document = {"uuid": flow.uuids["a"], "index": 1, "output": {"energy": -1.5}, "name": "a"}
    store.update([document], key=["uuid", "index"])
    store.close()
    assert "-1.5" in jfc("job", "output", "1").stdout
    assert jfc("job", "output", flow.uuids["a"], "--json").data == {"energy": -1.5}
    path = tmp_path / "out.json"
    assert jfc("job", "output", "1", "--path", str(path)).status == 0
    assert "energy" in path.read_text()
    assert jfc("job", "output", "1", "--path", "out.txt").status == 2


def test_files_of_a_run_folder_are_listed_copied_and_removed(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """Only a folder with the job's own marker below work_dir is removed."""
    flow = make_flow({"a": []})
    none = jfc("job", "files", "ls", "1")
    assert none.status == 1
    assert "no run folder yet" in none.stderr
    doc = flow.bring("a", _S.FAILED)
    work_dir = controller.project.get_worker("here").work_dir
    folder = tmp_path.__class__(str(work_dir)) / "aa" / f"{doc.uuid}_1"
    folder.mkdir(parents=True)
    (folder / "queue.out").write_text("hello\n")
    (folder / "queue.err").write_text("oops\n")
    flow.jobs.update(doc, {"run_dir": str(folder)})
    assert jfc("job", "files", "ls", "1", "--json").data["files"] == ["queue.err", "queue.out"]
    shown = jfc("job", "queue-out", "1").stdout
    assert "hello" in shown
    assert "oops" in shown
    got = jfc("job", "files", "get", "1", "queue.*", "-p", str(tmp_path))
    assert got.status == 0
    assert (tmp_path / "queue.out").read_text() == "hello\n"
    assert jfc("job", "files", "get", "1", "nothing", "-p", str(tmp_path)).status == 1
    assert jfc("job", "files", "delete", "1", "-y").status == 1
    assert folder.exists()
    marker = {"attempt": 1, "uuid": doc.uuid, "index": 12}
    (folder / ".jfcelery.json").write_text(json.dumps(marker))
    assert jfc("job", "files", "delete", "1", "-y").status == 1
    assert folder.exists()
    (folder / ".jfcelery.json").write_text(json.dumps(marker | {"index": 1}))
    assert jfc("job", "files", "delete", "1", "-y").status == 0
    assert not folder.exists()


def test_the_script_of_a_job_is_shown_before_anything_runs(jfc: Jfc, make_flow: MakeFlow) -> None:
    """A dry run: what will be submitted, with the job's own settings."""
    flow = make_flow({"a": []}, exec_config={"export": {"GREETING": "hello"}})
    answer = jfc("job", "submit-script", flow.ids["a"])
    assert answer.status == 0
    assert answer.stdout.startswith("#!")
    assert "GREETING" in answer.stdout
    assert flow.state("a") is _S.READY


def test_why_names_what_holds_a_job(jfc: Jfc, make_flow: MakeFlow) -> None:
    """For each state the nearest reason, and the command that helps."""
    flow = make_flow(_CHAIN)
    assert "waits for job 1 (a): READY" in jfc("job", "why", "2").stdout
    jfc("worker", "pause", "here", "--reason", "maintenance")
    held = jfc("job", "why", "1")
    assert "maintenance" in held.stdout
    assert "jfc worker resume here" in held.stdout
    jfc("worker", "resume", "here")
    flow.bring("a", _S.REMOTE_ERROR)
    failed = jfc("job", "why", "1")
    assert "OutputMissingError: no such thing" in failed.stdout
    assert "jfc job retry 1" in failed.stdout
    assert "jfc job why 1" in jfc("job", "why", "2").stdout
    jfc("job", "pause", "3")
    assert jfc("job", "why", "3", "--json").data["reasons"][0]["command"] == "jfc job resume 3"


def test_documents_are_dumped(jfc: Jfc, make_flow: MakeFlow, tmp_path: Path) -> None:
    """With the serialised job, as JSON."""
    make_flow({"a": [], "b": []})
    path = tmp_path / "dump.json"
    assert jfc("job", "dump", "-n", "a", "-p", str(path)).status == 0
    (document,) = json.loads(path.read_text())
    assert document["job"]["name"] == "a"
    assert document["payload"]["uuid"] == document["uuid"]


def test_a_shell_opens_in_the_run_folder(
    jfc: Jfc, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine by sh, elsewhere by the system's ssh."""
    from jfcelery.cli.job.todir import shell_command
    from jfcelery.project import RemoteWorker

    called: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, command: called.append(command))
    flow = make_flow({"a": []})
    assert jfc("job", "todir", "1").status == 1
    flow.bring("a", _S.UPLOADED)
    assert jfc("job", "todir", "1", "-s", "zsh").status == 0
    folder = flow.doc("a").run_dir
    assert called == [["/bin/sh", "-c", f"cd {folder} && exec zsh -i"]]
    remote = RemoteWorker(
        scheduler_type="slurm",
        work_dir=Path("/scratch/me"),
        host="cluster.example.org",
        user="me",
        port=2222,
        key_filename="/keys/id",
    )
    assert shell_command(remote, "/scratch/me/x y", "bash") == [
        *("ssh", "-t", "-l", "me", "-p", "2222", "-i", "/keys/id", "cluster.example.org"),
        "cd '/scratch/me/x y' && exec bash -i",
    ]


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


def test_info_leaves_out_what_says_nothing(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Zeros and empty fields are shown with ``-v`` only."""
    flow = make_flow({"a": []})
    short, long = jfc("job", "info", flow.ids["a"]), jfc("job", "info", flow.ids["a"], "-v")
    assert "step_attempts" not in short.stdout
    assert "index" in short.stdout
    assert "step_attempts" in long.stdout


def test_why_says_that_nobody_takes_the_next_step(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Without a Celery worker a READY job stays where it is; the database alone does not know."""
    flow = make_flow({"a": []})
    assert "jfc runner start" in jfc("job", "why", flow.ids["a"]).stdout
    assert "jfc runner start" not in jfc("job", "why", flow.ids["a"], "--quick").stdout


def test_empty_columns_are_left_out_where_there_is_no_room(jfc: Jfc, make_flow: MakeFlow) -> None:
    """On 80 columns the titles of the others stay whole; a wide terminal has all of them."""
    make_flow({"a": []}).bring("a", _S.CHECKED_OUT)
    narrow, wide = jfc("job", "list", "-v"), jfc("job", "list", "-v", columns=200)
    assert narrow.widest <= 80
    assert "Prev state" in narrow.stdout
    assert "Queue id" not in narrow.stdout
    assert "Queue id" in wide.stdout
