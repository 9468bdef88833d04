"""Serialised jobs lie apart from the hot documents, large ones in GridFS."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from jfcelery.database import payloads
from jfcelery.database.ids import reserve_ids
from jfcelery.database.packed import Packed
from jfcelery.database.payloads import delete_payloads, load_payload, payload_document
from jfcelery.errors import JobNotFoundError

if TYPE_CHECKING:
    from jfcelery.database.connection import QueueDatabase


def test_a_payload_comes_back_as_it_was(queue: QueueDatabase) -> None:
    """Text, numbers and special floats survive."""
    payload = {"a": ["ä", 1.5, None, {"b": True}], "inf": float("inf")}
    queue.payloads.insert_one(payload_document(queue, "k", Packed.of(payload)))
    assert load_payload(queue, "k") == payload


def test_a_large_payload_goes_to_gridfs_and_leaves_nothing_behind(
    queue: QueueDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exceeds the bound is a file; deleting removes the file as well."""
    monkeypatch.setattr(payloads, "LARGE", 1000)
    random = Random(1)  # noqa: S311 - incompressible text, no secret
    payload = {"text": "".join(chr(random.randrange(33, 127)) for _ in range(20_000))}
    queue.payloads.insert_one(payload_document(queue, "k", Packed.of(payload)))
    assert queue.payloads.find_one({"_id": "k"}).keys() == {"_id", "file"}  # type: ignore[union-attr]
    assert load_payload(queue, "k") == payload
    delete_payloads(queue, ["k"])
    assert list(queue.files.find({})) == []
    with pytest.raises(JobNotFoundError):
        load_payload(queue, "k")


def test_short_ids_are_never_given_twice(queue: QueueDatabase) -> None:
    """Reservations follow each other without overlap."""
    first = reserve_ids(queue, 3, "si-")
    second = reserve_ids(queue, 2, "si-")
    assert first + second == ["si-1", "si-2", "si-3", "si-4", "si-5"]
