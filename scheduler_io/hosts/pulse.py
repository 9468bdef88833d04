"""Signs of life on a connection that nobody uses, and its end when they are not answered."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from paramiko import Message
from paramiko.common import cMSG_GLOBAL_REQUEST

from jfcelery.scheduler_io.hosts.place import ALIVE_COUNT

logger = logging.getLogger(__name__)


class Pulse:
    """Asks for a sign of life whenever nothing was sent for a while.

    paramiko sends such requests, too, but wants no answer: a peer that is gone without a word is
    noticed by the first command only, and costs it its timeout.

    Args:
        transport: The paramiko transport, open and logged in.
        interval: Seconds between two signs of life.
        name: Of what is at the other end.
    """

    def __init__(self, transport: Any, interval: int, name: str) -> None:
        self._transport, self._name = weakref.proxy(transport), name
        self._unanswered = 0
        self._read = transport.packetizer.read_message
        transport.packetizer.read_message = self._listen
        transport.packetizer.set_keepalive(interval, self._beat)

    def _listen(self) -> Any:
        """Return the next message; whatever it is, somebody is there."""
        message = self._read()
        self._unanswered = 0
        return message

    def _beat(self) -> None:
        """Send a request that no server knows, but every one answers (RFC 4254, 4)."""
        if not self._transport.clear_to_send.is_set():
            return  # new keys are being agreed on
        if self._unanswered >= ALIVE_COUNT:
            logger.info("%s: %d signs of life were not answered", self._name, self._unanswered)
            raise EOFError  # in the transport's own thread: it ends, as if the peer had hung up
        self._unanswered += 1
        request = Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)  # noqa: FBT003 - paramiko takes no name
        self._transport.packetizer.send_message(request)
