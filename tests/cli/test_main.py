"""The command as a whole: help, lazy imports, errors, exit statuses."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from jfcelery.cli.lazy import LazyGroup
from jfcelery.cli.main import jfc as root
from jfcelery.cli.state import load_project
from jfcelery.controller import JobController
from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory


def commands(group: click.Group, path: str = "jfc") -> Iterator[tuple[str, str, click.Command]]:
    """Yield path, line of help and command for everything below a group."""
    context = click.Context(group)
    names = group.entries if isinstance(group, LazyGroup) else group.commands
    for name in names:
        command = group.get_command(context, name)
        assert command is not None
        line = group.entries[name].help if isinstance(group, LazyGroup) else ""
        yield f"{path} {name}", line, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = list(commands(root))


@pytest.mark.parametrize("path,line,command", ALL, ids=[path for path, *_ in ALL])
def test_every_command_in_the_table_exists_and_explains_itself(
    path: str, line: str, command: click.Command
) -> None:
    """A line in a group's help is a promise: the command loads, and has help of its own."""
    assert command.help
    context = click.Context(command, info_name=path.rpartition(" ")[2])
    assert command.get_help(context)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path}: {parameter.opts} has no help"
    names = [parameter.name for parameter in command.params]
    assert len(names) == len(set(names))


#: Commands without ``--json``, and why.
TEXT_ONLY = {
    "jfc job todir": "a shell",
    "jfc job submit-script": "the script is the result",
    "jfc flow graph": "the drawing is the result",
    "jfc watch": "a live view",
    "jfc worker login": "a dialogue",
    "jfc project worker login": "a dialogue",
    "jfc runner run": "logs, until it is stopped",
    "jfc runner foreground": "logs, until it is stopped",
    "jfc runner systemd": "the unit is the result",
    "jfc execution run": "runs on the worker; its result is a file",
    "jfc execution run-batch": "runs on the worker; its result are files",
    "jfc gui": "a server",
    "jfc flower": "a server",
    "jfc completion": "the script is the result",
}


def test_every_command_with_a_result_writes_it_as_json() -> None:
    """Only those lack ``--json`` that are named with a reason, and each of these really does."""
    without = {
        path
        for path, _, command in ALL
        if not isinstance(command, click.Group)
        and not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == set(TEXT_ONLY)


@pytest.mark.parametrize("args", [["--help"], ["job", "--help"], ["flow", "-h"], []])
def test_help_imports_no_command(args: list[str]) -> None:
    """Showing help is quick, because it imports neither commands nor libraries."""
    code = (
        "import sys\n"
        "from jfcelery.cli.main import jfc\n"
        "try:\n"
        f"    jfc({args!r}, prog_name='jfc')\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(result.stderr.splitlines()[-1].split())
    assert "click" in loaded
    heavy = {"pydantic", "rich", "pymongo", "celery", "jobflow", "yaml"}
    assert heavy & loaded == set()
    assert {name for name in loaded if name.startswith("jfcelery.cli.job.")} == set()
    assert "Usage: jfc" in result.stdout + result.stderr


def test_version_and_tree_are_shown() -> None:
    """The tree shows every command that help shows."""
    assert Jfc()("--version").stdout.startswith("jfcelery ")
    tree = Jfc()("--tree").stdout
    assert "rerun" in tree
    assert "exec-config" in tree
    assert "play" not in tree


@pytest.mark.parametrize(
    "args,said",
    [
        (["jbo"], "Did you mean 'job'?"),
        (["job", "lst"], "Did you mean 'list'"),
        (["job", "list", "--nonsense"], "--nonsense"),
        (["job", "list", "-s", "FAILD"], "Did you mean 'FAILED'?"),
        (["job", "list", "-did", "e1d66c4f-81db-4fff-bda2-2bf1d79d5961"], "--job-id"),
        (["job", "list", "-jid", "12"], "--db-id 12"),
        (["job", "list", "-jid", "e1d66c4f-81db-4fff-bda2-2bf1d79d5961"], "UUID:INDEX"),
        (["job", "list", "-jid", "e1d66c4f-81db-4fff-bda2-2bf1d79d5961:0"], "count from 1"),
        (["job", "list", "-sdate", "2026-02-30"], "no date that exists"),
        (["job", "list", "-ds", "1", "-hs", "1"], "only one of --days and --hours"),
        (["job", "list", "-ds", "0"], "0"),
        (["job", "list", "-meta", "x"], "key=value"),
        (["job", "list", "-q", "{x"], "no JSON"),
        (["job", "list", "-q", "[1]"], "no JSON object"),
        (["job", "pause", "1", "-n", "x"], "not both"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2_in_two_lines(args: list[str], said: str) -> None:
    """What is wrong with the command line is said in one line, where to find help in another."""
    answer = Jfc()(*args)
    assert answer.status == 2
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 2
    assert answer.stdout == ""


def test_without_a_project_the_way_to_one_is_shown(projects_folder: Path) -> None:
    """A person without a project gets status 2 and the command that makes one."""
    answer = Jfc()("job", "list")
    assert answer.status == 2
    assert "jfc project generate" in answer.stderr


def test_a_database_that_is_down_is_said_in_two_lines(make_project: ProjectFactory) -> None:
    """No trace, status 2."""
    store = {"type": "MongoStore", "host": "127.0.0.1", "port": 1, "database": "x"}
    project = make_project(queue={"store": store | {"collection_name": "jobs"}})
    answer = Jfc(project.name)("job", "list")
    assert answer.status == 2
    assert "does not answer" in answer.stderr
    assert answer.stderr.count("\n") <= 2
    assert "Traceback" not in answer.stderr


def test_the_trace_is_shown_only_when_asked_for(jfc: Jfc) -> None:
    """--full-exc adds the trace to the same message."""
    short = jfc("job", "info", "99")
    long = jfc("--full-exc", "job", "info", "99")
    assert short.status == long.status == 1
    assert "Traceback" not in short.stderr
    assert "Traceback" in long.stderr
    assert "No job has the db id 99" in short.stderr


def test_the_settings_may_ask_for_the_trace(jfc: Jfc, monkeypatch: pytest.MonkeyPatch) -> None:
    """JFCELERY_CLI_FULL_EXC does what --full-exc does; settings that are wrong show none."""
    monkeypatch.setenv("JFCELERY_CLI_FULL_EXC", "1")
    assert "Traceback" in jfc("job", "info", "99").stderr
    monkeypatch.setenv("JFCELERY_CLI_FULL_EXC", "perhaps")
    wrong = jfc("job", "info", "99").stderr
    assert "JFCELERY_CLI_FULL_EXC" in wrong
    assert "Traceback" not in wrong


def test_the_settings_say_how_much_is_logged(project: Project, restored_logs: None) -> None:
    """JFCELERY_CLI_LOG_LEVEL is that of jfcelery's own log lines, not of libraries'."""
    del restored_logs
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JFCELERY_PROJECT", project.name)
        patch.setenv("JFCELERY_CLI_LOG_LEVEL", "debug")
        load_project()
        assert logging.getLogger("jfcelery").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("pymongo").isEnabledFor(logging.INFO)
        patch.setenv("JFCELERY_CLI_LOG_LEVEL", "error")
        load_project()
    assert not logging.getLogger("jfcelery").isEnabledFor(logging.WARNING)


@pytest.fixture
def restored_logs() -> Iterator[None]:
    """The handlers and levels as they were before the test."""
    ours, root = logging.getLogger("jfcelery"), logging.getLogger()
    before = ours.level, root.level, list(root.handlers)
    yield
    root.handlers = before[2]
    ours.setLevel(before[0])
    root.setLevel(before[1])


def test_start_after_end_is_refused(jfc: Jfc) -> None:
    """An interval that holds nothing is an error, not an empty list."""
    answer = jfc("job", "list", "-sdate", "2026-03-01", "-edate", "2026-02-01")
    assert answer.status == 1
    assert "lies after" in answer.stderr


def test_the_installed_command_runs(
    make_flow: Callable[..., Queued],
    jfc: Jfc,
    projects_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The script of the package does what the function does, in a process of its own."""
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it; ids would be folded
    flow = make_flow({"a": []})
    result = subprocess.run(
        [sys.executable, "-m", "jfcelery.cli.main", "-p", str(jfc.project), "job", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert flow.uuids["a"] in result.stdout


#: A broker at whose address nothing listens.
DOWN = {"url": "redis://127.0.0.1:1/0"}


def test_a_flow_is_not_added_while_the_broker_is_down(
    make_project: ProjectFactory, tmp_path: Path
) -> None:
    """Status 2, two lines, and nothing in the queue that nobody was told of."""
    project = make_project(broker=DOWN)
    file = tmp_path / "flow.py"
    file.write_text("from jobflow import Job\njob = Job(len, function_args=([1],))\n")
    answer = Jfc(project.name)("submit", str(file))
    assert answer.status == 2
    assert 1 <= answer.stderr.count("\n") <= 2
    assert "Traceback" not in answer.stderr
    assert JobController(project).count_jobs() == 0


def test_jobs_are_changed_while_the_broker_is_down(make_project: ProjectFactory) -> None:
    """The wish stands in the database: status 0, and a line that says who was not told."""
    project = make_project(broker=DOWN)
    flow = Queued(JobController(project).queue, {"a": []})
    paused = Jfc(project.name)("job", "pause", flow.ids["a"])  # nobody need be told of that
    assert (paused.status, "be told" in paused.stderr) == (0, False)
    assert flow.state("a") is JobState.PAUSED
    command = [sys.executable, "-m", "jfcelery.cli.main", "-p", project.name, "job", "resume"]
    resumed = subprocess.run([*command, flow.ids["a"]], capture_output=True, text=True, check=True)
    (line,) = [line for line in resumed.stderr.splitlines() if "be told" in line]
    assert "Done, but no Celery worker could be told: Redis does not " in line
    assert flow.state("a") is JobState.READY


def test_a_command_that_is_done_waits_for_no_thread() -> None:
    """Those of pymongo look at the server again every half second, for nobody."""
    code = (
        "import sys; from pymongo.synchronous import monitor; from jfcelery.cli.main import main\n"
        "monitor._shutdown_monitors = lambda: print('waited')\n"
        "sys.argv = ['jfc', '--version']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("jfcelery ")
    assert "waited" not in done.stdout
