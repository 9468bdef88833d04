"""The life of warm servers: when they are started, renewed and ended, and what if they are not."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.execution.reason import why_no_output
from jfcelery.execution.warm import client
from jfcelery.execution.warm.place import CLIENT, retire_all
from tests.support import faults, spoiling
from tests.support.jobs import add
from tests.support.launching import Launcher, has_ended, numbers_in, output_of
from tests.support.waiting import wait_until
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[..., Path]


def test_one_server_for_many_jobs(warmer: Launcher, prepare: Prepare) -> None:
    """Jobs that start at once, before there is a server, share the one that is started."""
    folders = [prepare(add(number, 1)) for number in range(6)]
    processes = [warmer.start(folder) for folder in folders]
    assert [process.wait() for process in processes] == [0] * 6
    assert [output_of(folder) for folder in folders] == [1, 2, 3, 4, 5, 6]
    assert len(warmer.servers()) == 1
    assert not warmer.log()


def test_scripts_that_were_written_before_an_upgrade(warmer: Launcher, prepare: Prepare) -> None:
    """They run another file of the client: jobs under way are run, by the same server."""
    for name in ("call.py", "client.py"):
        warmer.client = CLIENT.with_name(name)
        folder = prepare(add(1, 2))
        assert warmer.run(folder) == 0
        assert output_of(folder) == 3
    assert warmer.run(prepare(faults.exits_at_once(5))) == 5
    assert len(warmer.servers()) == 1
    assert "cold" not in warmer.log()


def test_a_server_that_is_killed_costs_no_job(warmer: Launcher, prepare: Prepare) -> None:
    """Jobs go on without their server and end as they would have; the next start another."""
    good, bad, dead = (prepare(spoiling.waits_for_file(n)) for n in (0, 3, -9))
    processes = [warmer.start(folder) for folder in (good, bad, dead)]
    for folder in (good, bad, dead):
        wait_until((folder / "ready").exists, "the job runs")
    (old,) = warmer.servers()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: has_ended(old), "the server ends")
    assert warmer.run(prepare(add(1, 2))) == 0
    assert len(warmer.servers()) == 1
    for folder in (good, bad, dead):
        (folder / "go").touch()
    codes = [process.wait() for process in processes]
    assert codes[0] == 0
    assert output_of(good) == 0
    # Nobody is left who could know with what they ended but their parent.
    assert codes[1:] == [-signal.SIGKILL, -signal.SIGKILL]
    assert "was running" in why_no_output(bad, attempt=1, end={"signal": 9})


def test_signals_reach_a_job_without_server(warmer: Launcher, prepare: Prepare) -> None:
    """A job whose server is dead can be ended all the same."""
    folder = prepare(spoiling.waits(600))
    process = warmer.start(folder)
    child, job = numbers_in(folder / "child")
    (server_pid,) = warmer.servers()
    os.kill(server_pid, signal.SIGKILL)
    wait_until(lambda: has_ended(server_pid), "the server ends")
    os.kill(process.pid, signal.SIGTERM)
    process.wait()
    wait_until(lambda: has_ended(child) and has_ended(job), "the job's processes end")


def test_modules_of_jobs_are_never_stale(
    warmer: Launcher, prepare: Prepare, tmp_path: Path
) -> None:
    """A job imports its own module as it is now, also if it was written a moment ago."""
    module = tmp_path / "changing.py"
    warmer.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    for value in (1, 22, 333):
        module.write_text(f"VALUE = {value}\n")
        folder = prepare(spoiling.imports("changing"))
        assert warmer.run(folder) == 0
        assert output_of(folder) == value
    assert len(warmer.servers()) == 1


def test_preloaded_modules_are_never_stale(
    warmer: Launcher, prepare: Prepare, tmp_path: Path
) -> None:
    """A server makes room for a new one as soon as a module that it has imported changes."""
    module = tmp_path / "preloaded.py"
    warmer.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    warmer.preload = ("preloaded",)
    pids = []
    for value in (1, 1, 22):
        if not module.exists() or f"{value}" not in module.read_text():
            module.write_text(f"import os\nVALUE = {value}\nPID = os.getpid()\n")
        folder = prepare(spoiling.imports("preloaded"))
        assert warmer.run(folder) == 0
        assert output_of(folder) == value
        wait_until(lambda: len(warmer.servers()) == 1, "the old server ends")
        pids += warmer.servers()
    assert pids[0] == pids[1] != pids[2]
    assert "preloaded.py has changed" in warmer.log()


def test_settings_are_never_stale(
    warmer: Launcher, prepare: Prepare, home: Path, tmp_path: Path
) -> None:
    """What jobflow and others read their settings from is looked at as well."""
    assert warmer.run(prepare(add(1, 2))) == 0
    path = home / ".jobflow.yaml"
    path.write_text("{}\n")
    try:
        assert warmer.run(prepare(add(1, 2))) == 0
    finally:
        path.unlink()
    assert ".jobflow.yaml has changed" in warmer.log()


def test_installed_packages_are_never_stale(
    warmer: Launcher, prepare: Prepare, tmp_path: Path
) -> None:
    """What was installed since may change what an import finds."""
    warmer.environment["PYTHONUSERBASE"] = str(tmp_path)
    packages = Path(sysconfig.get_path("purelib", "posix_user", {"userbase": str(tmp_path)}))
    packages.mkdir(parents=True)
    os.utime(packages, (1, 1))
    assert warmer.run(prepare(add(1, 2))) == 0
    assert not warmer.log()
    (packages / "installed").mkdir()
    assert warmer.run(prepare(add(1, 2))) == 0
    assert f"{packages} has changed" in warmer.log()


def test_a_file_of_settings_that_a_variable_names_is_never_stale(
    warmer: Launcher, prepare: Prepare, tmp_path: Path
) -> None:
    """Such as JOBFLOW_CONFIG_FILE."""
    path = tmp_path / "settings"
    path.write_text("")
    os.utime(path, (1, 1))
    warmer.environment["SOME_CONFIG_FILE"] = str(path)
    assert warmer.run(prepare(add(1, 2))) == 0
    assert not warmer.log()
    path.write_text("{}")
    assert warmer.run(prepare(add(1, 2))) == 0
    assert f"{path} has changed" in warmer.log()


@pytest.mark.parametrize("module", ["no_such_module", "tests.support.threaded"])
def test_a_module_that_cannot_be_preloaded(module: str, warmer: Launcher, prepare: Prepare) -> None:
    """If the modules cannot be imported, or start threads, jobs run cold; the log says why."""
    warmer.preload = (module,)
    folder = prepare(add(1, 2))
    assert warmer.run(folder) == 0
    assert output_of(folder) == 3
    assert "jobs start cold" in warmer.log()
    assert folder.name in warmer.log()


def test_each_environment_has_a_server(warmer: Launcher, prepare: Prepare) -> None:
    """Another environment gets a server of its own when it comes again, up to a number."""
    for value in range(client.MAX_SERVERS + 1):
        for _ in range(2 if value else 1):
            folder = prepare(spoiling.looks())
            assert warmer.run(folder, environment={"OMP_NUM_THREADS": f"{value}"}) == 0
            assert output_of(folder)["environment"]["OMP_NUM_THREADS"] == f"{value}"
        assert len(warmer.servers()) == min(value + 1, client.MAX_SERVERS)
    assert "servers run already" in warmer.log()


def test_no_job_gets_the_bounds_of_another(warmer: Launcher, prepare: Prepare) -> None:
    """Cores and limits are those that its own script has, whoever started the server before."""
    core = max(os.sched_getaffinity(0))
    for before in ("", f"taskset -pc {core} $$ >/dev/null", "ulimit -n 321"):
        for _ in range(2):  # the second one is served by a server of its own
            folder = prepare(spoiling.looks())
            assert warmer.run(folder, before=before) == 0
            seen = output_of(folder)
            cores = [core] if "taskset" in before else sorted(os.sched_getaffinity(0))
            assert seen["cpus"] == cores
            assert (seen["limits"]["RLIMIT_NOFILE"] == [321, 321]) == ("ulimit" in before)


def test_a_relative_search_path(warmer: Launcher, prepare: Prepare) -> None:
    """Where modules are found relative to the working directory, jobs run cold."""
    folder = prepare(spoiling.looks())
    before = f"cd {os.getcwd()}; export PYTHONPATH=."  # noqa: PTH109
    assert warmer.run(folder, before=before) == 0
    assert output_of(folder)["path"]
    assert warmer.servers() == []


@pytest.mark.parametrize("what", ["open", "file", "garbage"])
def test_a_folder_that_cannot_be_used(what: str, warmer: Launcher, prepare: Prepare) -> None:
    """If the sockets' folder is not ours alone, or no folder at all, jobs run cold."""
    if what == "open":
        warmer.sockets.chmod(0o755)
    elif what == "file":
        warmer.sockets.rmdir()
        warmer.sockets.touch()
    else:
        (warmer.sockets / "lock").mkdir()
    folder = prepare(add(1, 2))
    assert warmer.run(folder) == 0
    assert output_of(folder) == 3
    assert warmer.servers() == []
    if what == "file":
        warmer.sockets.unlink()


def test_retiring(warmer: Launcher, prepare: Prepare) -> None:
    """A server that is told to end does so, with running jobs as soon as they have ended."""
    assert warmer.run(prepare(add(1, 2))) == 0
    (idle,) = warmer.servers()
    assert retire_all(warmer.sockets)
    wait_until(lambda: has_ended(idle), "the idle server ends")
    assert not retire_all(warmer.sockets)
    folder = prepare(spoiling.waits_for_file(0))
    process = warmer.start(folder)
    wait_until((folder / "ready").exists, "the job runs")
    (busy,) = warmer.servers()
    assert retire_all(warmer.sockets)
    assert not has_ended(busy)
    (folder / "go").touch()
    assert process.wait() == 0
    wait_until(lambda: has_ended(busy), "the server ends after its job")


def limit(launcher: Launcher, folder: Path, **values: float) -> None:
    """Have the servers live by other limits."""
    lines = [f"    limits.{name} = {value}\n" for name, value in values.items()]
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'jfcelery.execution.warm.server' in sys.orig_argv:\n"
        f"    from jfcelery.execution.warm import limits\n{''.join(lines)}"
    )
    launcher.environment["PYTHONPATH"] = f"{folder}:{ROOT}"


def test_a_server_ends_with_its_folder(warmer: Launcher, prepare: Prepare, tmp_path: Path) -> None:
    """A server that nobody can reach any more ends."""
    limit(warmer, tmp_path, LOOK_SECONDS=0.1)
    assert warmer.run(prepare(add(1, 2))) == 0
    (pid,) = warmer.servers()
    shutil.rmtree(warmer.sockets)
    wait_until(lambda: has_ended(pid), "the server ends")


def test_a_server_ends_when_idle(warmer: Launcher, prepare: Prepare, tmp_path: Path) -> None:
    """A server without work ends after a while, one with many jobs behind it makes room."""
    limit(warmer, tmp_path, IDLE_SECONDS=3.0, MAX_JOBS=2, LOOK_SECONDS=0.1)
    pids = set()
    for _ in range(3):
        assert warmer.run(prepare(add(1, 2))) == 0
        pids |= set(warmer.servers())
    assert len(pids) == 2
    wait_until(lambda: not warmer.servers(), "the last one ends")


def test_a_client_that_dies(warmer: Launcher, prepare: Prepare) -> None:
    """If the client is killed, its job is as well; the server goes on."""
    folder = prepare(spoiling.waits(600))
    process = warmer.start(folder)
    child, job = numbers_in(folder / "child")
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: has_ended(child) and has_ended(job), "the job's processes end")
    assert warmer.run(prepare(add(1, 2))) == 0
    assert len(warmer.servers()) == 1


def test_a_caller_that_talks_nonsense(warmer: Launcher, prepare: Prepare) -> None:
    """A server survives whatever is said to it."""
    assert warmer.run(prepare(add(1, 2))) == 0
    (path,) = [path for path in warmer.sockets.iterdir() if len(path.name) == 16]
    for text in (b"", b"run", b"run 0000000005 12345", b"run 9999999999 "):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            with contextlib.suppress(OSError):
                line.sendall(text)
    folder = prepare(faults.exits_at_once(4))
    assert warmer.run(folder) == 4
    assert len(warmer.servers()) == 1
