"""JSON for everything that jobflow puts into a document, dates and blobs of bytes included.

jobflow keeps ``datetime``, ``ObjectId``, ``DBRef`` and ``bytes`` as they are, since MongoDB can
store them. JSON cannot; so each travels as an object with the one key :data:`KEY`, and comes back
as what it was. Nothing else is ever decoded: no class that a file names is imported.
"""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The only key of an object that stands for a value JSON does not know.
KEY = "@jfcelery.value"


def dumps(value: object) -> str:
    """Return a value as JSON, on one line.

    Args:
        value: Strings, numbers, lists, dicts, and the types that BSON adds.

    Raises:
        TypeError: It holds an object of another type.
    """
    return json.dumps(value, default=_encode, separators=(",", ":"))


def loads(text: str | bytes) -> Any:  # JSON can be anything
    """Return the value that :func:`dumps` wrote.

    Raises:
        ValueError: The text is not JSON, or holds a damaged value.
    """
    return json.loads(text, object_hook=_decode)


def plain(value: object) -> Any:  # JSON can be anything
    """Return a value as any JSON writer would take it: dates and the like encoded, not yet text."""
    return json.loads(dumps(value))


def _encode(value: object) -> dict[str, object]:
    if isinstance(value, datetime):
        return {KEY: ["datetime", value.isoformat()]}
    if isinstance(value, date):
        return {KEY: ["date", value.isoformat()]}
    if isinstance(value, bytes):
        return {KEY: ["bytes", base64.b64encode(value).decode("ascii")]}
    name = type(value).__name__
    if type(value).__module__.startswith("bson.") and name == "ObjectId":
        return {KEY: ["ObjectId", str(value)]}
    if type(value).__module__.startswith("bson.") and name == "DBRef":
        return {KEY: ["DBRef", plain(value.as_doc())]}  # type: ignore[attr-defined]
    raise TypeError(f"a value of type {type(value).__module__}.{name} cannot be written as JSON")


def _object_id(text: str) -> object:
    from bson import ObjectId

    return ObjectId(text)


def _dbref(parts: dict[str, Any]) -> object:
    from bson import DBRef

    rest = {k: v for k, v in parts.items() if k not in {"$ref", "$id", "$db"}}
    return DBRef(parts["$ref"], parts["$id"], parts.get("$db"), **rest)


_DECODERS: dict[str, Callable[[Any], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": base64.b64decode,
    "ObjectId": _object_id,
    "DBRef": _dbref,
}


def _decode(item: dict[str, Any]) -> object:
    if len(item) != 1 or KEY not in item:
        return item
    kind, value = item[KEY]
    return _DECODERS[kind](value)
