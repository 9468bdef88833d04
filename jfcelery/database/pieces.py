"""Reading very many jobs, some at a time.

The embedded database has all that a query finds in memory at once, even for the keys alone. So jobs
are asked for by their short ids, which follow each other where jobs were added together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs


def in_pieces(
    jobs: Jobs,
    query: Mapping[str, Any],
    ids: Iterable[str],
    matches: Callable[[JobDoc], bool],
    size: int,
) -> Iterator[list[JobDoc]]:
    """Yield the jobs that match a query, in pieces of bounded size.

    Args:
        jobs: Where they are.
        query: What finds them.
        ids: Short ids that most of them have; read until a piece of them holds none.
        matches: Whether a job is one that the query finds.
        size: Jobs in a piece.
    """
    seen: set[str] = set()
    for piece in chunks(ids, size):
        found = [doc for doc in jobs.find({"db_id": {"$in": piece}}) if matches(doc)]
        if not found:
            break
        seen.update(doc.id for doc in found)
        yield found
    left = [key for key in jobs.keys(query) if key not in seen]
    for keys in chunks(left, size):
        yield list(jobs.find({"_id": {"$in": keys}}))
