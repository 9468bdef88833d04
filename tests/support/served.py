"""Whether an index serves a filter, by the rules of the stricter of the two servers.

MongoDB narrows by any leading field of an index and filters the rest. The embedded server wants
all fields of the filter at the beginning of one, and takes several values, or a range, only of the
last of them; of any other filter it reads the whole collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.indexes import INDEXES

if TYPE_CHECKING:
    from tests.support.commands import Asked

#: Operators of a condition that names one value.
_ONE = frozenset({"$eq"})


def index_of(attribute: str, asked: Asked) -> tuple[tuple[str, int], ...] | None:
    """Return the index that serves a filter, an empty one for the primary key, None for none."""
    single, several = _fields(asked.filter)
    if single | several == {"_id"}:
        return ()
    for index in INDEXES.get(attribute, []):
        names = [name for name, _ in index]
        width = len(single) + len(several)
        covers = set(names[: len(single)]) == single and set(names[len(single) : width]) == several
        if covers and len(several) <= 1 and (width or not asked.sort):
            return tuple(index)
        if not width and tuple(names[: len(asked.sort)]) == tuple(n for n, _ in asked.sort):
            return tuple(index)
    return None


def _fields(query: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the fields of which one value is named, and those of which several are."""
    single: set[str] = set()
    several: set[str] = set()
    for name, condition in query.items():
        several_values = isinstance(condition, dict) and not condition.keys() <= _ONE
        (several if several_values and not _is_one(condition) else single).add(name)
    return single, several


def _is_one(condition: dict[str, Any]) -> bool:
    return condition.keys() == {"$in"} and len(condition["$in"]) == 1
