"""Forking for each job."""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import NurseryError
from jfcelery.execution.outcome import read_outcome
from jfcelery.folders import RunFolder
from tests.support import faults, spoiling
from tests.support.jobs import add
from tests.support.launching import has_ended, numbers_in, output_of
from tests.support.waiting import wait_until
from tests.support.warm import WarmRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Prepare = Callable[..., Path]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmRunner]:
    """A nursery without any module of the tests in it."""
    with WarmRunner() as made:
        yield made


def test_a_child_is_as_ordered(prepare: Prepare, warm: WarmRunner) -> None:
    """Environment, umask, limits, cores and ignored signals are as ordered, all else is fresh."""
    folder = prepare(spoiling.looks())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    cpu = min(os.sched_getaffinity(0))
    environment = {"PATH": os.environ["PATH"], "ONLY": "this"}
    exit_code = warm.run(
        folder,
        environment=environment,
        umask=0o27,
        limits={resource.RLIMIT_NOFILE: (soft - 1, hard)},
        cpus=[cpu],
        ignored=[signal.SIGHUP],
    )
    assert exit_code == 0
    begun, code = (folder / "report").read_text().splitlines()
    assert (begun[0], code) == ("+", "0")
    seen = output_of(folder)
    assert seen["environment"] == environment
    assert "ONLY=this" in seen["exec"].split("\0")
    assert seen["umask"] == 0o27
    assert seen["limits"]["RLIMIT_NOFILE"] == [soft - 1, hard]
    assert seen["cpus"] == [cpu]
    assert "SIG_IGN" in seen["handlers"][str(int(signal.SIGHUP))]
    assert "SIG_DFL" in seen["handlers"][str(int(signal.SIGTERM))]
    assert seen["mask"] == []
    assert seen["cwd"] == str(folder)
    assert seen["argv"] == [str(folder)]
    assert seen["leads"]
    assert seen["main"].endswith("__main__.py")
    assert [name for name in seen["files"] if not name.startswith(str(folder))] == []


def test_a_job_spoils_only_its_own_process(prepare: Prepare, warm: WarmRunner) -> None:
    """Whatever a job changes, the next one starts as if it had not been."""
    first, second, third = (prepare(job) for job in (spoiling.looks(), *_spoiling()))
    assert [warm.run(folder) for folder in (first, second, third)] == [0, 0, 0]
    one, two = output_of(first), output_of(third)
    assert one.pop("random") != two.pop("random")
    for seen in (one, two):
        for name in ("pid", "argv", "cwd", "record", "files"):
            seen.pop(name)
    assert one == two


def _spoiling() -> Iterator[Any]:
    yield spoiling.spoils()
    yield spoiling.looks()


def test_random_numbers_are_each_jobs_own(prepare: Prepare) -> None:
    """Neither Python's nor numpy's go on where the common parent was."""
    seen: list[float] = []
    with WarmRunner("random", "numpy.random") as warm:
        for _ in range(2):
            folder = prepare(spoiling.looks())
            assert warm.run(folder) == 0
            seen += output_of(folder)["random"]
    assert len(set(seen)) == 4


def test_modules_of_jobs_are_not_kept(prepare: Prepare, warm: WarmRunner) -> None:
    """Each job imports its own modules, as they are then."""
    folder = prepare(spoiling.looks())
    assert warm.run(folder) == 0
    known = {"tests.support", "tests.support.nursery", "tests.support.spoiling"}
    assert known >= set(output_of(folder)["modules"])


def test_what_runs_at_exit(prepare: Prepare, warm: WarmRunner) -> None:
    """Threads are waited for and exit functions called, as at the end of any Python."""
    folder = prepare(spoiling.says_goodbye())
    assert warm.run(folder) == 0
    assert (folder / "thread").exists()
    assert (folder / "exit").exists()


@pytest.mark.parametrize("code", [0, 5])
def test_exit_codes(code: int, prepare: Prepare, warm: WarmRunner) -> None:
    """A job that ends the process by os._exit ends it with its code, which is not reported."""
    folder = prepare(faults.exits_at_once(code))
    assert warm.run(folder) == code
    assert len((folder / "report").read_text().splitlines()) == 1


def test_signals(prepare: Prepare, warm: WarmRunner) -> None:
    """A signal goes to all processes of the job, and is told as its end."""
    folder = prepare(spoiling.waits(600))
    pid = warm.call("start", str(folder))
    sleeper = numbers_in(folder / "child")[0]
    assert warm.call("poll", pid) is None
    assert warm.call("wait", pid, 0.0) is None
    warm.call("send", pid, signal.SIGTERM)
    assert warm.call("wait", pid) == -signal.SIGTERM
    wait_until(lambda: has_ended(sleeper), "the job's child ends")


def test_a_signal_at_birth(prepare: Prepare, warm: WarmRunner) -> None:
    """A signal that comes before the child has become itself is not lost."""
    for _ in range(5):
        pid = warm.call("start", str(prepare(spoiling.waits(600))))
        warm.call("send", pid, signal.SIGTERM)
        assert warm.call("wait", pid) == -signal.SIGTERM


def test_what_a_job_leaves_running(prepare: Prepare, warm: WarmRunner) -> None:
    """Processes that a job leaves behind run on, unless its whole group is to end with it."""
    kept, ended = prepare(spoiling.has_child(600)), prepare(spoiling.has_child(600))
    assert warm.run(kept) == 0
    left = numbers_in(kept / "child")[0]
    assert not has_ended(left)
    os.kill(left, signal.SIGKILL)
    pid = warm.call("start", str(ended))
    wait_until(lambda: warm.call("poll", pid, end_group=True) is not None, "the job ends")
    left = numbers_in(ended / "child")[0]
    wait_until(lambda: has_ended(left), "what it left ends")


def test_an_order_that_cannot_be_followed(prepare: Prepare, warm: WarmRunner) -> None:
    """A child that cannot become what was ordered says why, and runs nothing."""
    folder = prepare(add(1, 2))
    assert warm.run(folder, cpus=[100_000]) == 71
    assert (folder / "report").read_text().startswith("!")
    assert not (folder / RunFolder.OUTPUT).exists()


def test_threads_forbid_a_fork(prepare: Prepare) -> None:
    """A process with threads forks no job."""
    with WarmRunner("tests.support.threaded") as runner, pytest.raises(NurseryError, match="idler"):
        runner.run(prepare(add(1, 2)))


def test_a_module_that_cannot_be_imported(prepare: Prepare) -> None:
    """A nursery whose modules cannot be imported says which."""
    with WarmRunner("no_such_module") as runner, pytest.raises(NurseryError, match="no_such_modul"):
        runner.run(prepare(add(1, 2)))


def test_a_marker_names_the_attempt(prepare: Prepare, warm: WarmRunner) -> None:
    """Without an attempt in the order, the folder's marker says which it is."""
    folder = prepare(add(1, 2))
    (folder / RunFolder.MARKER).write_text(json.dumps({"attempt": 3}))
    assert warm.run(folder) == 0
    assert read_outcome(folder / RunFolder.OUTPUT).attempt == 3
