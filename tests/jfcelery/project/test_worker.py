"""Workers: where they are, what runs there, how many jobs at once."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ProjectInvalidError, UnknownNameError
from jfcelery.project import BaseRemoteWorker, ConnectionData, ExecutionConfig, connection_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.project import Project

    Load = Callable[..., Project]

LOCAL = {"type": "local", "scheduler_type": "shell", "work_dir": "/work"}
REMOTE = {"type": "remote", "scheduler_type": "slurm", "work_dir": "/work", "host": "h"}


def key_of(load: Load, **options: Any) -> str:
    """Return the host key of a remote worker."""
    return load(workers={"w": REMOTE | options}).get_worker().host_key


def test_a_local_shell_worker_runs_as_many_jobs_as_there_are_cores(load: Load) -> None:
    """Unless the file says otherwise; null means no limit, and schedulers have none by default."""
    workers = {
        "default": LOCAL,
        "two": LOCAL | {"max_jobs": 2},
        "none": LOCAL | {"max_jobs": None},
        "slurm": LOCAL | {"scheduler_type": "slurm"},
        "remote": REMOTE | {"scheduler_type": "shell"},
    }
    found = {name: worker.max_jobs for name, worker in load(workers=workers).workers.items()}

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert found == {"default": cores, "two": 2, "none": None, "slurm": None, "remote": None}


def test_workers_on_one_connection_share_a_key(load: Load) -> None:
    """Credentials and schedulers make no difference, the place and the way to it do."""
    same = {key_of(load), key_of(load, password="x"), key_of(load, scheduler_type="pbs")}
    others = {
        key_of(load, user="u"),
        key_of(load, port=23),
        key_of(load, host="i"),
        key_of(load, gateway={"host": "g"}),
        key_of(load, gateway={"host": "g", "user": "u"}),
        key_of(load, gateway="ssh -W %h:%p g"),
        key_of(load, type="separated_transfer", transfer={"host": "t"}),
        key_of(load, type="separated_transfer", transfer={"host": "s"}),
    }

    assert len(same) == 1
    assert len(others - same) == 8


@pytest.mark.parametrize("host", ["login.cluster.org", "::1", "Ünï.example", "a b", "-"])
def test_a_host_key_can_name_a_queue(load: Load, host: str) -> None:
    """Whatever the host is called, the key has only letters, digits, dots, dashes, underscores."""
    assert re.fullmatch(r"[a-z0-9_.-]+", key_of(load, host=host, user="bob@x", port=22))


def test_local_workers_share_one_key(load: Load) -> None:
    """Whatever is on this machine goes through one queue."""
    project = load(workers={"a": LOCAL, "b": LOCAL | {"scheduler_type": "slurm"}, "c": REMOTE})

    assert project.hosts["local"] == ["a", "b"]
    assert len(project.hosts) == 2
    assert [worker.is_local for worker in project.workers.values()] == [True, True, False]
    assert connection_data(project.get_worker("a")) is None


def test_gateways_nest(load: Load) -> None:
    """A gateway is connection data with a gateway of its own, the last perhaps a command."""
    inner = {"host": "g2", "gateway": "ssh -W %h:%p g3"}
    worker = load(
        workers={"w": REMOTE | {"gateway": {"host": "g1", "gateway": inner}}}
    ).get_worker()

    data = connection_data(worker)
    assert data is not None
    assert isinstance(data.gateway, ConnectionData)
    assert isinstance(data.gateway.gateway, ConnectionData)
    assert data.gateway.gateway.gateway == "ssh -W %h:%p g3"
    assert data.identity == "h via g1 via g2 via ssh -W %h:%p g3"


def test_a_transfer_node_takes_over_what_it_does_not_say(load: Load) -> None:
    """User, port, and credentials unless it has some of its own."""
    options = REMOTE | {"type": "separated_transfer", "user": "u", "port": 23, "password": "p"}
    bare = load(workers={"w": options | {"transfer": {"host": "t"}}}).get_worker()
    own = load(
        workers={"w": options | {"transfer": {"host": "t", "user": "v", "key_filename": "/k"}}}
    ).get_worker()

    assert bare.transfer_connection is not None
    assert bare.transfer_connection.label == "u@t:23"
    assert bare.transfer_connection.get_connect_kwargs() == {"password": "p"}
    assert own.transfer_connection is not None
    assert own.transfer_connection.label == "v@t:23"
    assert own.transfer_connection.get_connect_kwargs() == {"key_filename": "/k"}


def test_a_remote_worker_moves_files_through_its_own_host(load: Load) -> None:
    """Without a transfer node, files take the way of the commands."""
    worker = load(workers={"w": REMOTE | {"user": "u"}}).get_worker()

    assert isinstance(worker, BaseRemoteWorker)
    assert worker.transfer_connection == worker.connection


def test_connect_arguments_hold_everything(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named credentials go over the further arguments; ``~`` is the person's home."""
    monkeypatch.setenv("HOME", "/home/bob")
    options = {
        "password": "p",
        "passphrase": "q",
        "key_filename": ["~/.ssh/a", "/b"],
        "connect_kwargs": {"look_for_keys": False, "password": "other"},
    }
    data = connection_data(load(workers={"w": REMOTE | options}).get_worker())

    assert data is not None
    assert data.get_connect_kwargs() == {
        "password": "p",
        "passphrase": "q",
        "key_filename": ["/home/bob/.ssh/a", "/b"],
        "look_for_keys": False,
    }


@pytest.mark.parametrize(
    "options, words",
    [
        ({"scheduler_type": "sge"}, "only Slurm has them, and `scheduler_type` is `sge`"),
        ({"scheduler_type": "shell"}, "only Slurm has them"),
        ({"batch": {"jobs_handle_dir": "/h", "work_dir": "/b"}}, "`batch` has jobs run in pilots"),
    ],
)
def test_job_arrays_are_slurms_and_no_pilots(
    load: Load, options: dict[str, Any], words: str
) -> None:
    """Off by default; elsewhere the file is wrong, at that very key."""
    assert not load(workers={"w": REMOTE}).get_worker().job_arrays
    assert load(workers={"w": REMOTE | {"job_arrays": True}}).get_worker().job_arrays
    with pytest.raises(ProjectInvalidError, match=words) as caught:
        load(workers={"w": REMOTE | {"job_arrays": True} | options})
    assert "workers.w.job_arrays" in str(caught.value)


def test_schedulers_are_made_by_name_or_from_their_serialised_form(load: Load) -> None:
    """Each name gives qtoolkit's object; plain shell none; a class of one's own is custom."""
    from qtoolkit.io.slurm import SlurmIO

    names = ["slurm", "pbs", "sge", "shell"]
    for name in names:
        worker = load(workers={"w": LOCAL | {"scheduler_type": name}}).get_worker()
        made = worker.get_scheduler_io()
        assert worker.scheduler_name == name
        assert (made is None) == (name == "shell")
    spec = SlurmIO(split_separator="|").as_dict()
    worker = load(workers={"w": LOCAL | {"scheduler_type": spec}}).get_worker()
    made = worker.get_scheduler_io()

    assert worker.scheduler_name == "slurm"
    assert isinstance(made, SlurmIO)
    assert made.split_separator == "|"


def test_an_own_scheduler_class_is_custom(
    load: Load, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass of qtoolkit's base in the user's own module is taken."""
    (tmp_path / "jfct_own_scheduler.py").write_text(
        "from qtoolkit.io.slurm import SlurmIO\n\n\nclass OwnIO(SlurmIO):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = {"@module": "jfct_own_scheduler", "@class": "OwnIO"}

    worker = load(workers={"w": LOCAL | {"scheduler_type": spec}}).get_worker()

    assert worker.scheduler_name == "custom"
    assert type(worker.get_scheduler_io()).__name__ == "OwnIO"


def test_the_first_worker_is_the_default(load: Load) -> None:
    """No name gives the first; an unknown name is an error that names the nearest or all."""
    project = load(workers={"first": LOCAL, "second": REMOTE})

    assert project.get_worker() is project.workers["first"]
    with pytest.raises(UnknownNameError, match=r"has no worker 'frist'\nDid you mean 'first'?"):
        project.get_worker("frist")
    with pytest.raises(UnknownNameError, match=r"Known: first, second."):
        project.get_worker("xyz")
    with pytest.raises(UnknownNameError, match=r"has no worker\nAdd one"):
        load().get_worker()


def test_an_execution_configuration_is_named_or_given(load: Load) -> None:
    """A name, a mapping, its serialised form, a model, or nothing at all."""
    project = load(exec_config={"e": {"modules": ["a"]}})
    wanted = ExecutionConfig(modules=["a"])

    assert project.get_exec_config("e") == wanted
    assert project.get_exec_config({"modules": ["a"]}) == wanted
    assert project.get_exec_config({"@class": "ExecutionConfig", "modules": ["a"]}) == wanted
    assert project.get_exec_config(wanted) is wanted
    assert project.get_exec_config(None) == ExecutionConfig()
    with pytest.raises(UnknownNameError, match=r"has no exec_config 'f'"):
        project.get_exec_config("f")
    with pytest.raises(ProjectInvalidError, match=r"no exec_config: module: unknown key"):
        project.get_exec_config({"module": ["a"]})
    with pytest.raises(ProjectInvalidError, match=r"'A;B' is no name of a variable"):
        project.get_exec_config({"export": {"A;B": 1}})


def test_a_retry_waits_longer_each_time(load: Load) -> None:
    """The last delay holds for all further attempts; no delays, no waiting."""
    runner = load(runner={"delta_retry": [1, 5]}).runner

    assert [runner.get_delta_retry(n) for n in (1, 2, 3, 9)] == [1, 5, 5, 5]
    assert load(runner={"delta_retry": []}).runner.get_delta_retry(1) == 0


@pytest.mark.parametrize("given, lease", [(30, 30), (86400, 600), (None, 120)])
def test_leases_always_expire(load: Load, given: float | None, lease: float) -> None:
    """jobflow-remote's day-long locks become minutes."""
    assert load(runner={"lock_timeout": given}).runner.lease == lease
