"""Which part of a value keeps it from being written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Offending parts that are named; more of them would hide the first.
_NAMED = 3
#: Depth beyond which no further search is made.
_DEPTH = 50


def describe(value: object, name: str = "") -> str:
    """Return where a value holds what cannot be serialised, and of which type it is.

    Args:
        value: What jobflow could not serialise.
        name: What the value is called in the answer, such as ``output``.

    Returns:
        For example ``output['gen'][2] is a generator``; empty if nothing is found.
    """
    found = []
    for path, part in _offenders(value, name, 0):
        kind = type(part)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        found.append(f"{path or 'it'} is of type {module}{kind.__qualname__}")
        if len(found) == _NAMED:
            break
    return ", ".join(found)


def _offenders(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    if depth > _DEPTH or _fits(value):
        return
    inner = list(_inside(value, path))
    before = False
    for where, part in inner:
        for offender in _offenders(part, where, depth + 1):
            before = True
            yield offender
    if not before:
        yield path, value


def _inside(value: object, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a container, or of an object that monty takes apart."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"{path}[{key!r}]" if path else str(key), part
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield f"{path}[{number}]", part
    elif hasattr(value, "as_dict") or hasattr(value, "__pydantic_fields__"):
        for key, part in getattr(value, "__dict__", {}).items():
            yield f"{path}.{key}", part


def _fits(value: object) -> bool:
    from monty.json import jsanitize

    from jfcelery.execution import wire

    try:
        wire.dumps(jsanitize(value, strict=True, enum_values=True, allow_bson=True))
    except Exception:  # noqa: BLE001  # as_dict is the user's code, and may raise anything
        return False
    return True
