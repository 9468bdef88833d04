"""What is said of a connection that does not come about."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConnectionFailedError
from jfcelery.scheduler_io.hosts.link import Link
from jfcelery.scheduler_io.hosts.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def rude() -> Iterator[int]:
    """The port of a server that accepts a connection and closes it without a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def hang_up() -> None:
            line, _ = server.accept()
            line.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_port_without_ssh_is_told_in_words(rude: int, caplog: pytest.LogCaptureFixture) -> None:
    """What may be the matter is in the error; paramiko adds no trace of its own."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConnectionFailedError, match="the port answers, but not with SSH") as caught:
        Link(Place("127.0.0.1", "me", rude)).open()
    assert "Too many logins, a ban, a wrong port?" in caught.value.remedy
    assert not [record for record in caplog.records if record.name.startswith("paramiko")]
