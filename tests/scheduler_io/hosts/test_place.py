"""The project file's connection data in the form that hosts use."""

from __future__ import annotations

from typing import Any

from jfcelery.project.worker import RemoteWorker, SeparatedTransferWorker
from jfcelery.scheduler_io.hosts.place import CONNECT_TIMEOUT, Place


def remote(**options: Any) -> RemoteWorker:
    """Return a remote worker."""
    data = {"scheduler_type": "slurm", "work_dir": "/scratch", "type": "remote", "host": "cluster"}
    return RemoteWorker.model_validate(data | options)


def test_defaults() -> None:
    """What the project file leaves out has its default."""
    worker = remote(connect_timeout=None, keepalive=None)
    assert Place.of(worker.connection, worker) == Place("cluster")
    assert Place("cluster").connect_timeout == CONNECT_TIMEOUT


def test_everything() -> None:
    """All connection data arrives, secrets in clear but not shown."""
    worker = remote(
        user="me",
        port=2222,
        password="secret",
        passphrase="sesame",
        key_filename="/k",
        connect_timeout=3,
        keepalive=7,
        forward_agent=True,
        connect_kwargs={"compress": True},
        gateway={"host": "gw", "user": "you", "gateway": {"host": "outer"}},
    )
    place = Place.of(worker.connection, worker)
    assert (place.user, place.port, place.connect_timeout, place.keepalive) == ("me", 2222, 3, 7)
    assert place.connect_kwargs == {
        "compress": True,
        "password": "secret",
        "passphrase": "sesame",
        "key_filename": "/k",
    }
    assert "secret" not in repr(place)
    assert place.forward_agent
    assert isinstance(place.gateway, Place)
    assert place.gateway.label == "you@gw"
    assert isinstance(place.gateway.gateway, Place)
    assert (place.gateway.gateway.host, place.gateway.gateway.keepalive) == ("outer", 7)


def test_proxy_command() -> None:
    """A gateway may be a proxy command."""
    worker = remote(gateway="ssh -W %h:%p gw")
    assert Place.of(worker.connection, worker).gateway == "ssh -W %h:%p gw"


def test_transfer_node() -> None:
    """A data-transfer node has connection data of its own."""
    worker = SeparatedTransferWorker.model_validate(
        {
            "type": "separated_transfer",
            "scheduler_type": "slurm",
            "work_dir": "/scratch",
            "host": "login",
            "user": "me",
            "transfer": {"host": "dtn"},
        }
    )
    assert Place.of(worker.connection, worker).label == "me@login"
    assert Place.of(worker.transfer_connection, worker).label == "me@dtn"
