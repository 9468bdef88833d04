"""The content of a JobStore in a form in which two of them can be compared."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jfcelery.execution.stores import additional_stores, blob_infos

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobflow import JobStore

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def contents(store: JobStore, known: Collection[str]) -> dict[str, Any]:
    """Return all documents and blobs; times are left out, new uuids are numbered.

    Args:
        store: The store.
        known: Uuids that stay as they are.
    """
    raw = [_clean(doc) for doc in store.query({}, load=False)]
    loaded = [_clean(doc) for doc in store.query({}, load=True)]
    blobs = {
        name: [_clean(blob) for blob in additional.query({})]
        for name, additional in additional_stores(store).items()
    }
    ids = {info["blob_uuid"] for doc in raw for info in blob_infos(doc)}
    assert ids <= {blob["blob_uuid"] for found in blobs.values() for blob in found}
    numbers: dict[str, str] = {}
    return {
        "documents": _numbered(raw, known, numbers),
        "loaded": _numbered(loaded, known, numbers),
        "blobs": {name: _numbered(found, known, numbers) for name, found in blobs.items()},
    }


def _clean(doc: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if key not in {"_id", "completed_at"}}


def _numbered(
    documents: list[dict[str, Any]], known: Collection[str], numbers: dict[str, str]
) -> list[str]:
    """Return documents as texts in an order that does not depend on new uuids."""

    def masked(text: str, known: Collection[str]) -> str:
        return _UUID.sub(lambda found: found[0] if found[0] in known else "new", text)

    texts = [json.dumps(doc, sort_keys=True, default=repr) for doc in documents]
    texts.sort(key=lambda text: masked(text, known))

    def number(found: re.Match[str]) -> str:
        uuid = found[0]
        return uuid if uuid in known else numbers.setdefault(uuid, f"new {len(numbers)}")

    return [_UUID.sub(number, text) for text in texts]
