"""Whose the insertion of a flow is, and removing what an interrupted one left.

Until all jobs of a flow are in, its document says who inserts it. Each insertion has a token of its
own, by which one that was taken for dead, and one that came after it, are told apart.
"""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jfcelery.database.bulk import delete_all
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.payloads import delete_payloads
from jfcelery.errors import ConflictError
from jfcelery.flows.storing import BULK
from jfcelery.services.processes import ProcessIdentity, machine, start_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.connection import QueueDatabase


def inserter() -> dict[str, Any]:
    """Return what a flow says, while it is inserted or removed, of the process that does so.

    No two insertions have the same ``token``: each ends or removes its own alone.
    """
    pid = os.getpid()
    return {
        "token": uuid4().hex,
        "pid": pid,
        "started": start_token(pid),
        "machine": machine(),
        "host": platform.node(),
    }


def make_way(queue: QueueDatabase, flow: str) -> bool:
    """Remove what an insertion of a flow left that was interrupted; return whether there was one.

    It is one of this process, which so tries again, or of one of this machine that has died.

    Raises:
        ConflictError: Another process is at work on it, or may be.
    """
    found = _insertion(queue, flow)
    if found is None:
        return False
    while found is not None:
        by = found.get("inserter")
        if by is None or not _was_interrupted(by):
            who = f"process {by['pid']} on {by['host']}" if by else "another process"
            raise ConflictError(
                f"Flow {found['name']!r} is being added to the queue by {who}, if that still runs.",
                remedy="See 'jfc flow list'. Of an interrupted one nothing runs, and after an hour "
                "the runner removes it: submit it again then.",
            )
        remove_insertion(queue, flow, by)
        found = _insertion(queue, flow)  # another one, where somebody else came first
    return True


def _insertion(queue: QueueDatabase, flow: str) -> dict[str, Any] | None:
    """Return what is known of the insertion of a flow, if it has not come to its end."""
    fields = {"name": 1, "inserter": 1, "_id": 0}
    with translated():
        return queue.flows.find_one({"_id": flow, "inserting": True}, fields)


def _was_interrupted(by: Mapping[str, Any]) -> bool:
    if by["machine"] != machine():
        return False
    identity = ProcessIdentity(by["pid"], by["started"], by["machine"])
    return identity.pid == os.getpid() or not identity.alive


def insertion_of(flow: str, by: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what finds a flow while it is inserted, or removed, by one alone.

    Args:
        flow: Its uuid.
        by: What it says of who does so, if anything.
    """
    return {"_id": flow, "inserting": True, "inserter.token": (by or {}).get("token")}


def remove_insertion(queue: QueueDatabase, flow: str, by: Mapping[str, Any] | None) -> None:
    """Remove what an interrupted insertion of a flow left; one that came to its end stays.

    Only one removes it, who says so in the flow: else the slower of two would remove what the
    other has inserted since.

    Args:
        queue: The project's database.
        flow: The flow.
        by: What it says of who inserts it, if anything.
    """
    if own := _take_over(queue, flow, by):
        _clear(queue, flow, own)


def undo_insertion(queue: QueueDatabase, flow: str, by: Mapping[str, Any] | None) -> None:
    """Remove a flow that this process could not insert; the arguments are as above.

    Also where the sweeper took it for interrupted: some jobs may have come after it had looked.
    """
    own = _take_over(queue, flow, by)
    if own is None:
        with translated():
            there = queue.flows.find_one({"_id": flow}, {"removing": 1, "inserter": 1}) or {}
        if there and not there.get("removing"):
            return  # it came to its end, or is inserted anew
        own = there.get("inserter")
    _clear(queue, flow, own)


def _take_over(
    queue: QueueDatabase, flow: str, by: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Have an insertion never come to its end; return what the flow says then, None if it did."""
    own = inserter()
    with translated():
        # Its end may have been written already, and only the database's answer been lost.
        taken = queue.flows.update_one(
            insertion_of(flow, by), {"$set": {"removing": True, "inserter": own}}
        )
    return own if taken.matched_count else None


def _clear(queue: QueueDatabase, flow: str, by: Mapping[str, Any] | None) -> None:
    """Remove all of a flow, its document last."""
    with translated():
        keys = [raw["_id"] for raw in queue.jobs.find({"flow": flow}, {"_id": 1})]
        for piece in chunks(keys, BULK):
            delete_payloads(queue, piece)
            queue.jobs.delete_many({"_id": {"$in": piece}})
    delete_all(queue.edges, {"flow": flow})
    delete_all(queue.history, {"flow": flow})
    with translated():
        queue.flows.delete_one(insertion_of(flow, by))
