"""The files of a job come to this machine whole, or not at all."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.tasks.outputs import fetched, local_folder
from jfcelery.tasks.step import Work
from tests.support.bench import Bench
from tests.support.entries import flow_of

if TYPE_CHECKING:
    import pytest

    from tests.support.projects import ProjectFactory


class _Death(BaseException):
    """The process is gone."""


def test_a_death_while_files_arrive_leaves_none_of_them(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that has the first file is never taken for one that has them all."""
    there = {
        "type": "remote",
        "scheduler_type": "shell",
        "host": "there.invalid",
        "work_dir": str(tmp_path / "work"),
    }
    runtime = Bench(make_project(workers={"there": there}), tmp_path, monkeypatch).runtime
    monkeypatch.setattr(Hosts, "transfer", lambda *_: nullcontext(LocalHost()))
    add_flow(runtime.queue, flow_of({"a": []}), Placement(worker="there"))
    work = Work(runtime, runtime.jobs.get("a"))
    remote = Path(RunFolder.of(tmp_path / "work", "a", 1).path)
    remote.mkdir(parents=True)
    names = (RunFolder.OUTPUT, RunFolder.STORE_DATA, RunFolder.additional_store("data"))
    for name in names:
        (remote / name).write_text("[]")
    moves: list[Path] = []
    replace = Path.replace

    def dies(path: Path, target: Path) -> Path:
        if moves:
            raise _Death
        moves.append(target)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with suppress(_Death):
            fetched(work)
    folder = fetched(work)
    assert folder == local_folder(work)
    assert {path.name for path in folder.iterdir()} == set(names)
    runtime.close()
