"""What a submission script is made of: header, command, exported variables."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from qtoolkit.core.data_objects import QResources
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.sge import SGEIO
from qtoolkit.io.shell import ShellIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import ResourcesError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.script import build_script, export_line, fill_in, is_simple
from tests.scheduler_io.schedulers.workers import PlainWorker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.io.base import BaseSchedulerIO


FOLDER = RunFolder(PurePosixPath("/work/a b/u_1"))


def slurm_script(resources: Mapping[str, Any] | QResources | None, **options: Any) -> str:
    """Return a script for Slurm."""
    worker = PlainWorker("slurm", SlurmIO(), **options)
    return build_script(worker, None, resources, folder=FOLDER, name="jfc-u-1-2", attempt=2)


def test_the_header_is_qtoolkits() -> None:
    """With jfcelery's own name and file names, whatever the resources say."""
    script = slurm_script({"ntasks": 4, "job_name": "mine", "qverbatim": "#SBATCH --comment=x"})
    assert script.startswith(
        "#!/bin/bash\n"
        "#SBATCH --job-name=jfc-u-1-2\n"
        "#SBATCH --ntasks=4\n"
        "#SBATCH --output=queue.out\n"
        "#SBATCH --error=queue.err\n"
        "#SBATCH --comment=x\n"
    )


def test_a_qresources_is_converted_by_qtoolkit() -> None:
    """As the scheduler understands it."""
    script = slurm_script(QResources(nodes=2, processes_per_node=8, time_limit=3600))
    assert "#SBATCH --nodes=2\n" in script
    assert "#SBATCH --ntasks-per-node=8\n" in script
    assert "#SBATCH --time=0-1:0:0\n" in script


@pytest.mark.parametrize(
    "name, io, asked",
    [
        ("slurm", SlurmIO(), QResources.scattered(3, time_limit=3600, queue_name="q")),
        ("slurm", SlurmIO(), QResources()),
        ("pbs", PBSIO(), QResources(nodes=2, processes_per_node=8)),
        ("sge", SGEIO(), QResources(processes=4, scheduler_kwargs={"model": "smp 4"})),
        ("shell", ShellIO(), QResources()),
    ],
)
def test_a_serialised_qresources_gives_the_script_of_the_object(
    name: str, io: BaseSchedulerIO, asked: QResources
) -> None:
    """The queue keeps the serialised form."""

    def script(resources: Mapping[str, Any] | QResources) -> str:
        worker = PlainWorker(name, io)
        return build_script(worker, None, resources, folder=FOLDER, name="x", attempt=1)

    assert script(asked.as_dict()) == script(asked)


def test_a_job_without_resources_has_those_of_its_worker() -> None:
    """And one with some has its own only."""
    worker = PlainWorker("slurm", SlurmIO(), resources={"partition": "short"})

    def script(resources: dict[str, Any] | None) -> str:
        return build_script(worker, None, resources, folder=FOLDER, name="x", attempt=1)

    assert "#SBATCH --partition=short\n" in script(None)
    assert "partition" not in script({"ntasks": 1})


@pytest.mark.parametrize(
    "resources,words",
    [
        ({"ntask": 4}, "'ntasks' instead of 'ntask'"),
        ({"array": "1-3"}, "several times"),
        (QResources(processes=1, njobs=3), "several times"),
        (QResources(processes=1, rerunnable=True), "rerunnable"),
    ],
)
def test_resources_that_make_no_sense_are_named(
    resources: Mapping[str, Any] | QResources, words: str
) -> None:
    """With what would."""
    with pytest.raises(ResourcesError, match=words):
        slurm_script(resources)


def test_the_command_is_the_workers_or_the_default() -> None:
    """``{}`` is the run folder, quoted."""
    assert "(_jfc_run jfc execution run '/work/a b/u_1')\n" in slurm_script(None)
    script = slurm_script(None, execution_cmd="srun -n 1 jfc execution run {}")
    assert "(_jfc_run srun -n 1 jfc execution run '/work/a b/u_1')\n" in script


@pytest.mark.parametrize(
    "command,line",
    [
        ("run {}", "run '/work/a b/u_1'"),
        ("echo ${{A}}; run {}", "echo ${A}; run '/work/a b/u_1'"),
        ("echo ${A}; run {}", "echo ${A}; run '/work/a b/u_1'"),
        ("awk '{print $1}'; run {}", "awk '{print $1}'; run '/work/a b/u_1'"),
    ],
)
def test_bashs_own_braces_survive(command: str, line: str) -> None:
    """Doubled, as jobflow-remote needs them, or as they are."""
    assert fill_in(command, FOLDER) == line


@pytest.mark.parametrize(
    "value,line",
    [
        ("1", "export A=1"),
        (4, "export A=4"),
        ("$HOME/bin:$PATH", "export A=$HOME/bin:$PATH"),
        ("a b", 'export A="a b"'),
        ("'a b'", "export A='a b'"),
        ("x;y", 'export A="x;y"'),
        ("~/data", "export A=~/data"),
    ],
)
def test_values_are_exported_as_the_shell_reads_them(value: object, line: str) -> None:
    """Variables expand; blanks do not break the line."""
    assert export_line("A", value) == line


def test_a_simple_command_is_one_program_with_arguments() -> None:
    """Anything else is left to bash."""
    assert is_simple("jfc execution run '/work/a b'")
    for command in ("a; b", "a | b", "A=1 b", "a && b", "a\nb", "(a)", "a > b", ""):
        assert not is_simple(command)
