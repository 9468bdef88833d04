"""Resources are checked against the scheduler's template before anything is submitted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ResourcesError
from jfcelery.project import check_resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.project import Project, Worker

    Load = Callable[..., Project]


def worker(load: Load, scheduler: Any) -> Worker:
    """Return a worker with a scheduler."""
    options = {"type": "local", "scheduler_type": scheduler, "work_dir": "/w"}
    return load(workers={"w": options}).get_worker()


@pytest.mark.parametrize(
    "scheduler, resources",
    [
        ("slurm", {"nodes": 1, "ntasks": 2, "time": "1:00:00", "qverbatim": "#SBATCH --x"}),
        ("pbs", {"select": "select=1:ncpus=2", "walltime": "1:00:00"}),
        ("sge", {"queue": "all.q", "walltime": "1:00:00", "model": "smp 2"}),
        ("shell", {"qverbatim": "ulimit -v 1000"}),
        ("slurm", {}),
        ("shell", None),
    ],
)
def test_keys_of_the_template_are_taken(load: Load, scheduler: str, resources: Any) -> None:
    """They come back as they are."""
    assert check_resources(worker(load, scheduler), resources) == (resources or {})


@pytest.mark.parametrize(
    "scheduler, resources, message, remedy",
    [
        ("slurm", {"node": 1}, "slurm does not know the resources 'node'", "mean 'nodes' or"),
        ("slurm", {"partitions": "a"}, "'partitions'", "Did you mean 'partition'"),
        ("slurm", {"xyzzy": 1, "node": 1}, "'node', 'xyzzy'", "It knows: account, array"),
        ("shell", {"nodes": 1}, "shell does not know the resources 'nodes'", "It knows: job_name"),
        ("sge", {"waltime": "1:00"}, "'waltime'", "Did you mean 'walltime'"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest(
    load: Load, scheduler: str, resources: dict[str, Any], message: str, remedy: str
) -> None:
    """All unknown keys at once, and what to write instead."""
    with pytest.raises(ResourcesError) as caught:
        check_resources(worker(load, scheduler), resources)

    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_qresources_become_keys_of_the_template(load: Load) -> None:
    """As an object or serialised; an empty one asks for nothing."""
    from qtoolkit.core.data_objects import QResources

    asked = QResources(nodes=1, processes_per_node=2, queue_name="short")
    slurm = worker(load, "slurm")

    wanted = {"partition": "short", "nodes": 1, "ntasks_per_node": 2}
    assert check_resources(slurm, asked) == wanted
    assert check_resources(slurm, asked.as_dict()) == wanted
    for scheduler in ("slurm", "pbs", "sge", "shell"):
        assert check_resources(worker(load, scheduler), QResources()) == {}


def test_qresources_that_a_scheduler_cannot_have_are_refused(load: Load) -> None:
    """Each scheduler has its own gaps; further keywords are checked like keys."""
    from qtoolkit.core.data_objects import QResources

    asked = QResources(processes=2)

    with pytest.raises(ResourcesError, match=r"2 slots in a parallel environment only\nname"):
        check_resources(worker(load, "sge"), asked)
    with pytest.raises(ResourcesError, match=r"Keys not supported: process_placement, processes"):
        check_resources(worker(load, "shell"), asked)
    with pytest.raises(ResourcesError, match=r"does not know the resources 'colour'"):
        check_resources(
            worker(load, "slurm"), QResources(processes=2, scheduler_kwargs={"colour": 1})
        )
    with pytest.raises(ResourcesError, match=r"the serialised QResources cannot be read"):
        check_resources(worker(load, "slurm"), asked.as_dict() | {"colour": 1})


def test_grid_engine_has_qresources_that_name_the_parallel_environment(load: Load) -> None:
    """As keys of its own template, not of PBS's."""
    from qtoolkit.core.data_objects import QResources

    asked = QResources(processes=2, time_limit=60, scheduler_kwargs={"model": "smp 2"})
    wanted = {"walltime": "60", "model": "smp 2"}
    assert check_resources(worker(load, "sge"), asked) == wanted
    assert check_resources(worker(load, "sge"), asked.as_dict()) == wanted


@pytest.mark.parametrize(
    "change, key",
    [
        ({"@module": "jfct_evil"}, "@module"),
        ({"@module": None}, "@module"),
        ({"process_placement": {"@module": "jfct_evil", "@class": "Evil"}}, "process_placement"),
        ({"process_placement": "EVERYWHERE"}, "process_placement"),
        ({"queue_name": {"@module": "jfct_evil", "@class": "Evil"}}, "queue_name"),
        (
            {"scheduler_kwargs": {"a": [{"@module": "jfct_evil", "@class": "Evil"}]}},
            r"scheduler_kwargs\.a\.0",
        ),
    ],
)
@pytest.mark.parametrize("scheduler", ["slurm", "sge"])
def test_a_serialised_object_imports_nothing(
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheduler: str,
    change: dict[str, Any],
    key: str,
) -> None:
    """A worker's file may name any class: it is refused, never imported."""
    from qtoolkit.core.data_objects import QResources

    (tmp_path / "jfct_evil.py").write_text("class Evil:\n    pass\n\n\nQResources = Evil\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = QResources(processes=1).as_dict() | change

    with pytest.raises(ResourcesError, match=rf"cannot be read: {key}"):
        check_resources(worker(load, scheduler), asked)
    assert "jfct_evil" not in sys.modules


@pytest.mark.parametrize("scheduler", ["slurm", "pbs", "sge"])
def test_values_of_several_lines_are_refused(load: Load, scheduler: str) -> None:
    """The second line would be run; lines of the user's own have a key of theirs."""
    with pytest.raises(ResourcesError, match=r"'account' has more than one line\n.*qverbatim"):
        check_resources(worker(load, scheduler), {"account": "me\ntouch canary"})


def test_an_own_scheduler_has_its_own_keys(
    load: Load, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template of the user's class counts; a class without one takes anything."""
    (tmp_path / "jfct_templates.py").write_text(
        "from qtoolkit.io.slurm import SlurmIO\n\n\n"
        "class OwnIO(SlurmIO):\n    header_template_file = None\n"
        "    header_template = '#OWN $${colour}'\n\n\n"
        "class BareIO(SlurmIO):\n    header_template_file = None\n    header_template = ''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = worker(load, {"@module": "jfct_templates", "@class": "OwnIO"})
    bare = worker(load, {"@module": "jfct_templates", "@class": "BareIO"})

    assert check_resources(own, {"colour": "red"}) == {"colour": "red"}
    with pytest.raises(ResourcesError, match=r"custom does not know the resources 'nodes'"):
        check_resources(own, {"nodes": 1})
    assert check_resources(bare, {"nodes": 1}) == {"nodes": 1}
