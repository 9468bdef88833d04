"""What is data in a submission script is never run as a command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.sge import SGEIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import ResourcesError
from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.project import ExecutionConfig
from jfcelery.scheduler_io.script import build_script, module_line
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.support.entries import entry

if TYPE_CHECKING:
    from jfcelery.flows.entry import JobEntry

#: The same file in every example, by its absolute path: the script changes the folder.
CANARY = "$CANARY"
_IOS = {"slurm": SlurmIO(), "pbs": PBSIO(), "sge": SGEIO(), "shell": None}
_TRICKS = [
    f'$(touch "{CANARY}")',
    f'`touch "{CANARY}"`',
    f'\ntouch "{CANARY}"\n',
    f'; touch "{CANARY}"; ',
    f"' ; touch \"{CANARY}\"; '",
    f'" ; touch "{CANARY}"; "',
    f'& touch "{CANARY}" #',
    f'=1; touch "{CANARY}"; B',
    "\\",
    "../",
    "..",
]
data = st.lists(st.sampled_from([*_TRICKS, "a", "vasp/6", " ", "é"]), min_size=1, max_size=4).map(
    "".join
)


def text_of(
    job: JobEntry, scheduler: str, value: str, config: ExecutionConfig, work_dir: Path
) -> str:
    """Return the script of a job."""
    return build_script(
        PlainWorker(scheduler, _IOS[scheduler]),
        config,
        None if scheduler == "shell" else {"account": value},
        folder=RunFolder.of(work_dir, job.uuid, job.index),
        name=queue_job_name(job.uuid, job.index, 1),
        attempt=1,
        command="true",
    )


@settings(max_examples=60, deadline=None)
@given(
    scheduler=st.sampled_from(sorted(_IOS)),
    field=st.sampled_from(["uuid", "name", "value", "module", "variable"]),
    evil=data,
)
def test_no_data_is_run(scheduler: str, field: str, evil: str) -> None:
    """Ids, names, resources, modules and names of variables are refused or stay what they are."""
    harmless = {"uuid": "u", "name": "n", "value": "me", "module": "m", "variable": "A"}
    has = harmless | {field: evil}
    with tempfile.TemporaryDirectory() as folder:
        work_dir, canary = Path(folder) / "a/b/c/d", Path(folder) / "canary"
        try:
            job = entry(has["uuid"], name=has["name"], metadata={has["name"]: has["name"]})
            config = ExecutionConfig(modules=[has["module"]], export={has["variable"]: "1"})
            text = text_of(job, scheduler, has["value"], config, work_dir)
        except (ValidationError, ResourcesError):
            return
        run_folder = Path(str(RunFolder.of(work_dir, job.uuid, job.index)))
        assert Path(os.path.normpath(run_folder)).is_relative_to(work_dir)
        run_folder.mkdir(parents=True)
        (run_folder / "submit.sh").write_text(text)
        done = subprocess.run(
            ["bash", str(run_folder / "submit.sh")],
            check=False,
            capture_output=True,
            cwd=folder,
            env={**os.environ, "CANARY": str(canary)},
            timeout=60,
        )
        assert not canary.exists()
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("uuid", ["aa....x", "..b", "a.b", ".-.-..x"])
def test_a_run_folder_stays_in_the_work_dir(uuid: str) -> None:
    """Whatever dots are in an id."""
    path = RunFolder.of("/work", uuid, 1).path
    assert ".." not in path.parts
    assert path.is_relative_to(PurePosixPath("/work"))


@pytest.mark.parametrize(
    "module, line",
    [
        ("vasp/6.4.2", "module load vasp/6.4.2"),
        ("gcc openmpi", "module load gcc openmpi"),
        ("a; b", "module load 'a;' b"),
        ("a\n$(b)", "module load a '$(b)'"),
    ],
)
def test_modules_are_words(module: str, line: str) -> None:
    """Several in one string are, too."""
    assert module_line(module) == line
