"""What the page about extending shows works: a scheduler and a host of one's own."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.folders import RunFolder
from jfcelery.project.loading import load_text
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.schedulers import scheduler_for
from tests.packaging.test_samples import SAMPLE, blocks

if TYPE_CHECKING:
    from pathlib import Path

#: The page.
PAGE = "docs/extending.md"


def sample(name: str) -> dict[str, Any]:
    """Return what the block of the page defines that has a class of that name."""
    (code,) = [text for text in blocks(PAGE, "python") if f"class {name}(" in text]
    module = ModuleType("our_site")
    sys.modules["our_site"] = module
    exec(compile(code, PAGE, "exec"), vars(module))  # noqa: S102 - that is the point of it
    return vars(module)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "our_site", ModuleType("our_site"))


def test_a_scheduler_of_ones_own() -> None:
    """The worker of the page submits by its own command, and keeps what Slurm has."""
    sample("OurSlurm")
    (options,) = [text for text in blocks(PAGE, "text") if "scheduler_type" in text]
    text = f"name: sample\nworkers: {{here: {{type: local, work_dir: /work, {options.strip()}}}}}"
    scheduler = scheduler_for(load_text(text, SAMPLE).get_worker("here"))
    assert scheduler.name == "slurm"
    assert "site-sbatch" in scheduler.submit_command("submit.sh")


def test_a_host_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of the page runs commands, takes a run folder and gives its files back."""
    programs = tmp_path / "bin"
    programs.mkdir()
    # stands for the real one: `exec -i POD --` here
    kubectl = programs / "kubectl"
    kubectl.write_text('#!/bin/sh\n[ "$1 $2 $3 $4" = "exec -i pod --" ] && shift 4 && exec "$@"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    host = sample("PodHost")["PodHost"]("pod")
    assert host.run("echo $((6 * 7)); cat", stdin=b"in").stdout == "42\nin"
    folder = RunFolder(PurePosixPath(tmp_path / "run"))
    host.publish(Publication(folder, {"data": b"x" * 100_000}, attempt=1, marker={"uuid": "u"}))
    assert host.fetch(folder, ["data"], tmp_path / "back") == ["data"]
    assert (tmp_path / "back" / "data").read_bytes() == b"x" * 100_000
