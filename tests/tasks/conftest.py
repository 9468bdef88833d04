"""Fixtures of the tests of the runner's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from tests.support.bench import REMOTE, Bench, quick_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.projects import ProjectFactory


class MakeBench(Protocol):
    """Makes a bench; options of the worker, and sections of the project file."""

    def __call__(self, *, worker: dict[str, Any] | None = None, **sections: Any) -> Bench:
        """Make one."""
        ...


@pytest.fixture
def make_bench(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeBench]:
    """A function that makes the runner of a new project, driven by hand."""
    made = []

    def make(*, worker: dict[str, Any] | None = None, **sections: Any) -> Bench:
        workers = {"here": quick_worker(tmp_path, **(worker or {}))}
        made.append(Bench(make_project(workers=workers, **sections), tmp_path, monkeypatch))
        return made[-1]

    yield make
    for bench in made:
        bench.runtime.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The runner of a project with one local worker whose jobs take no time."""
    return make_bench()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> SimulatedHost:
    """The host of every worker: this machine, with faults as scripted."""
    found = SimulatedHost("far")
    monkeypatch.setattr(Hosts, "_make", lambda *_args: found)
    return found


@pytest.fixture
def far_bench(make_bench: MakeBench, host: SimulatedHost) -> Bench:
    """The runner of a project with one remote worker, which is on ``host``."""
    del host
    return make_bench(worker=REMOTE)
