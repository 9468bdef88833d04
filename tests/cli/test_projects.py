"""``jfc project …``, ``jfc worker …`` and ``jfc submit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.flow_files import read_flow
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import ConnectionLostError
from jfcelery.submission import submit_flow
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

HEAD = """
from jobflow import Flow, job

@job
def add(a, b):
    return a + b
"""
FLOW = f"""{HEAD}
first = add(1, 2)
second = add(first.output, 3)
flow = Flow([first, second], name="sums")
other = Flow([add(5, 6)], name="other")
"""
OUTSIDE = f"{HEAD}\nflow = Flow([add(add(1, 2).output, 3)])"


def test_a_generated_project_is_listed_and_complete(projects_folder: Path) -> None:
    """generate, list, remove: the life of a project file."""
    jfc = Jfc()
    assert jfc("project", "generate", "first", "--format", "toml").status == 0
    assert jfc("project", "generate", "second", "--full").status == 0
    again = jfc("project", "generate", "first")
    assert again.status == 2
    assert "exists" in again.stderr
    rows = jfc("project", "list", "--json").data
    assert [(row["name"], row["default"], row["error"]) for row in rows] == [
        ("first", False, None),
        ("second", False, None),
    ]
    assert jfc("project", "list").widest <= 80
    assert jfc("project", "check-conflicts").status == 0
    assert jfc("project", "remove", "first", stdin="n\n").status == 1
    assert jfc("project", "remove", "first", "-y").status == 0
    assert jfc("project", "remove", "first", "-y").status == 2
    (row,) = jfc("project", "list", "--json").data
    assert row["default"]


def test_a_broken_file_is_listed_with_what_is_wrong(projects_folder: Path) -> None:
    """Other projects stay usable."""
    (projects_folder / "bad.yaml").write_text("name: bad\nworkerz: {}\n")
    Jfc()("project", "generate", "good")
    answer = Jfc()("project", "list", "--warn")
    assert answer.status == 0
    assert "workerz" in answer.stderr
    assert Jfc("good")("project", "exec_config", "list").status == 0
    assert Jfc("bad")("project", "worker", "list").status == 2


def test_check_really_tries_everything(jfc: Jfc) -> None:
    """Database, broker, JobStore, login, folder and scheduler; status 0 if all is well."""
    answer = jfc("project", "check", "--json", "--full")
    assert answer.status == 0
    subjects = {(row["subject"], row["what"]) for row in answer.data["findings"]}
    assert {
        ("queue", "database"),
        ("queue", "broker"),
        ("jobstore", "default"),
        ("worker here", "login"),
        ("worker here", "work_dir"),
        ("worker here", "scheduler"),
    } <= subjects
    assert all(row["ok"] for row in answer.data["findings"])


def test_check_finds_what_does_not_work(make_project: ProjectFactory) -> None:
    """Each failure is named with its remedy; the rest is tried nevertheless; status 2."""
    project = make_project(
        broker={"url": "redis://127.0.0.1:1/0"},
        workers={
            "bad": {"type": "local", "scheduler_type": "shell", "work_dir": "/proc/nowhere"},
            "here": {"type": "local", "scheduler_type": "shell", "work_dir": "/tmp/jfct-none"},
        },
    )
    jfc = Jfc(project.name)
    answer = jfc("project", "check")
    assert answer.status == 2
    assert "FAIL  queue: broker" in answer.stdout
    assert "FAIL  worker bad: work_dir" in answer.stdout
    assert "ok    worker here: work_dir" in answer.stdout
    assert jfc("project", "check", "-w", "here").status == 0
    assert jfc("project", "check", "-js").status == 0
    assert jfc("project", "check", "-q").status == 2
    assert jfc("worker", "test", "bad").status == 2
    assert jfc("worker", "test", "none").status == 2
    assert jfc("project", "check", "-w", "none").status == 2


def test_a_jobstore_out_of_reach_is_named(make_project: ProjectFactory) -> None:
    """A store that connects when it is first used ends the check no earlier than others."""
    away = {
        "type": "MongoStore",
        "host": "127.0.0.1",
        "port": 1,
        "database": "away",
        "collection_name": "outputs",
        "mongoclient_kwargs": {"serverSelectionTimeoutMS": 200},
    }
    project = make_project(optional_jobstores={"away": {"docs_store": away}})
    answer = Jfc(project.name)("project", "check", "-js")
    assert answer.status == 2
    assert "ok    jobstore: default" in answer.stdout
    assert "FAIL  jobstore: away: The JobStore's database does not answer" in answer.stdout


def test_workers_are_listed_held_back_and_let_go(jfc: Jfc) -> None:
    """A paused worker shows why."""
    (row,) = jfc("worker", "list", "--json").data
    assert (row["active"], row["queued"], row["is_batch"]) == (0, 0, False)
    assert (row["name"], row["type"], row["scheduler"], row["state"]) == (
        "here",
        "local",
        "shell",
        "ok",
    )
    assert jfc("worker", "pause", "here", "--reason", "cooling").status == 0
    assert "cooling" in jfc("worker", "list").stdout
    assert jfc("worker", "list", "-v").widest <= 80
    assert jfc("worker", "resume", "here").status == 0
    assert jfc("project", "worker", "list", "--json").data[0]["state"] == "ok"
    assert jfc("worker", "pause", "none").status == 2


def test_a_host_out_of_reach_is_listed_with_since_and_next_try(
    jfc: Jfc, controller: JobController
) -> None:
    """Of one outage, since stays that of its first failure."""
    hosts = HostRecords(controller.queue)
    hosts.failed("local", ConnectionLostError("cable"))
    first = hosts.get("local").since
    hosts.failed("local", ConnectionLostError("cable"), probe=True)
    status = hosts.get("local")
    assert first is not None
    assert status.next_try is not None
    wanted = (
        f"held back: cable, since {first:%Y-%m-%d %H:%M:%S} UTC, "
        f"tried again at {status.next_try:%H:%M:%S} UTC"
    )
    assert jfc("worker", "list", "--json").data[0]["state"] == wanted
    shown = jfc("worker", "list")
    assert f"local: {wanted}; let it go on at once: jfc worker resume here" in (
        " ".join(shown.stdout.split())
    )
    (row,) = (line for line in shown.stdout.splitlines() if line.startswith("here "))
    assert row.endswith("held back")
    hosts.pause("local", "cooling")
    since = hosts.get("local").since
    assert (
        f"paused: cooling, since {since:%Y-%m-%d %H:%M:%S} UTC"
        in (jfc("worker", "list", "--json").data[0]["state"])
    )


def test_configurations_are_listed(make_project: ProjectFactory) -> None:
    """With -v what is in them."""
    project = make_project(exec_config={"vasp": {"modules": ["vasp/6"], "export": {"N": 1}}})
    jfc = Jfc(project.name)
    assert "vasp" in jfc("project", "exec_config", "list").stdout
    shown = jfc("project", "exec_config", "list", "-v")
    assert "vasp/6" in shown.stdout
    assert "N=1" in shown.stdout
    assert jfc("project", "exec_config", "list", "--json").data["vasp"]["modules"] == ["vasp/6"]


def test_a_text_is_replaced_after_it_was_shown(projects_folder: Path) -> None:
    """A change that would spoil the file is not made."""
    Jfc()("project", "generate", "mine")
    jfc = Jfc("mine")
    path = projects_folder / "mine.yaml"
    before = path.read_text()
    bad = jfc("project", "edit", "replace", "workers:", "wrkers:", "-y")
    assert bad.status == 2
    assert path.read_text() == before
    assert jfc("project", "edit", "replace", "mine", "ours", stdin="n\n").status == 0
    assert path.read_text() == before
    assert jfc("project", "edit", "replace", "local_worker", "here", "-y").status == 0
    assert "here" in path.read_text()
    assert jfc("project", "edit", "replace", "nonsense", "x", "-y").status == 0


def test_a_python_file_is_submitted(jfc: Jfc, project: object, tmp_path: Path) -> None:
    """The flow called ``flow`` is taken; local jobs find the file's own functions."""
    path = tmp_path / "mysums.py"
    path.write_text(FLOW)
    answer = jfc("submit", str(path), "--priority", "3", "--json")
    assert answer.status == 0
    assert answer.data["db_ids"] == ["1", "2"]
    (first, second) = jfc("job", "list", "--json", "--sort", "db_id", "-revs").data
    assert first["priority"] == 3
    assert first["exec_config"] == {"export": {"PYTHONPATH": str(tmp_path)}}
    assert second["parents"] == [first["uuid"]]
    named = jfc("submit", str(path), "--name", "other")
    assert named.status == 0
    assert "1 job (3)" in named.stdout


@pytest.mark.parametrize(
    "text",
    [
        "one = add(1, 2)",
        "flow = [add(1, 2), add(3, 4)]",
        "one = add(1, 2)\n\ndef flow():\n    return Flow([one])",
    ],
)
def test_a_job_a_list_and_a_function_are_submitted(jfc: Jfc, tmp_path: Path, text: str) -> None:
    """What is not a flow yet is made one; a function that returns one is called once."""
    path = tmp_path / "mykinds.py"
    path.write_text(f"{HEAD}\n{text}\n")
    answer = jfc("submit", str(path), "--json")
    assert answer.status == 0, answer.stderr
    assert "No runner works on this project: `jfc runner start`" in answer.stderr
    assert jfc("job", "list", "--count", "--json").data == {"count": len(answer.data["db_ids"])}


def test_a_json_file_is_submitted(jfc: Jfc, tmp_path: Path) -> None:
    """What jobflow writes as JSON is a flow, too."""
    from jobflow import Flow, Job

    path = tmp_path / "flow.json"
    path.write_text(Flow([Job(print, function_args=("x",))], name="print").to_json())
    assert jfc("submit", str(path), "--json").data["db_ids"] == ["1"]


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("a.py", "x = 1", "holds no flow"),
        ("a.py", "def flow(n, m=1): ...", "flow cannot be called without n"),
        ("a.py", "1 / 0", "ZeroDivisionError"),
        ("a.py", FLOW.replace("flow =", "one ="), "several flows: one, other"),
        ("a.py", "def flow():\n    raise LookupError('no structure')", "LookupError: no structure"),
        ("a.py", OUTSIDE, "which is no job of this flow"),
        ("a.json", "{}", "no flow but a dict"),
        ("a.json", "{", "cannot be read"),
        ("a.txt", "", ".py or .json"),
    ],
)
def test_a_file_without_a_flow_is_refused(
    jfc: Jfc, tmp_path: Path, name: str, text: str, said: str
) -> None:
    """What is wrong with the file stands in one line; nothing is submitted."""
    (tmp_path / name).write_text(text)
    answer = jfc("submit", str(tmp_path / name))
    assert answer.status == 1
    assert said in answer.stderr
    assert jfc("job", "list", "--count", "--json").data == {"count": 0}


def test_a_file_that_submits_by_itself_is_not_submitted_twice(jfc: Jfc, tmp_path: Path) -> None:
    """The flow is in the queue already: the person is told so."""
    path = tmp_path / "own.py"
    path.write_text(f"{FLOW}\nfrom jfcelery.submission import submit_flow\n"
                    f"submit_flow(flow, project={jfc.project!r})\n")  # fmt: skip
    answer = jfc("submit", str(path))
    assert answer.status == 1
    assert "by itself" in answer.stderr
    rows = jfc("job", "list", "--json").data
    # ... and its jobs find their functions
    assert [row["exec_config"] for row in rows] == [{"export": {"PYTHONPATH": str(tmp_path)}}] * 2


@pytest.mark.parametrize("config", [{"export": {"PYTHONPATH": "/mine", "N": 1}}, "named"])
def test_functions_beside_the_file_are_found_too(
    make_project: ProjectFactory, tmp_path: Path, config: str | dict[str, Any]
) -> None:
    """What the execution configuration exports stays; flows without such functions get nothing."""
    named = {"named": {"export": {"PYTHONPATH": "/mine", "N": 1}}}
    project = make_project(exec_config=named)
    beside = tmp_path / tmp_path.name  # a name that nobody imported yet
    beside.mkdir()
    (beside / "__init__.py").write_text("def half(n):\n    return n / 2\n")
    path = tmp_path / "halves.py"
    path.write_text(
        f"from jobflow import Flow, Job\nfrom {beside.name} import half\n"
        "flow = Flow([Job(half, function_args=(4,))])\n"
        "other = Flow([Job(len, function_args=('four',))])\n"
    )
    options: Any = {"exec_config": config, "project": project}
    read = read_flow(path)
    (script,) = submit_flow(read.flow, dry_run=True, **options)
    assert f"export PYTHONPATH={tmp_path}:/mine\n" in script
    assert "export N=1\n" in script
    (script,) = submit_flow(read_flow(path, "other").flow, dry_run=True, **options)
    assert "export PYTHONPATH=/mine\n" in script


def test_submission_checks_names(jfc: Jfc, tmp_path: Path) -> None:
    """Unknown workers, stores and configurations: status 2, nothing submitted."""
    path = tmp_path / "mysums2.py"
    path.write_text(FLOW)
    assert jfc("submit", str(tmp_path / "none.py")).status == 1
    assert jfc("submit", str(path), "-wk", "none").status == 2
    assert jfc("submit", str(path), "-ec", "none").status == 2
    assert jfc("submit", str(path), "-js", "none").status == 2
    assert jfc("submit", str(path), "-r", "nodez=1").status == 1
    assert jfc("job", "list", "--count", "--json").data == {"count": 0}


def test_outputs_of_projects_do_not_mix(make_project: ProjectFactory, tmp_path: Path) -> None:
    """Two projects side by side: each sees its own jobs only."""
    one, two = make_project(), make_project()
    path = tmp_path / "mysums3.py"
    path.write_text(FLOW)
    assert Jfc(one.name)("submit", str(path)).status == 0
    assert JobController(one).count_jobs() == 2
    assert JobController(two).count_jobs() == 0
