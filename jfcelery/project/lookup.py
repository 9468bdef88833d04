"""Pick something by name, and say what there is when there is no such name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from jfcelery.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Value = TypeVar("_Value")


def pick(table: Mapping[str, _Value], name: str | None, *, kind: str, project: str) -> _Value:
    """Return the value of a name.

    Args:
        table: The values by name.
        name: The name, None for one that was not given.
        kind: What it names, for the error: ``worker``, ``exec_config`` ...
        project: Name of the project that has the table.

    Raises:
        UnknownNameError: The table has no such name.
    """
    if name is not None and name in table:
        return table[name]
    if not table:
        message = f"project {project!r} has no {kind}"
        raise UnknownNameError(message, remedy=f"Add one under `{kind}` to the project file.")
    message = f"project {project!r} has no {kind} {name!r}"
    raise UnknownNameError(message, remedy=did_you_mean(name or "", table))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that names the nearest known name, or all known names."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
