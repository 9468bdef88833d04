"""Reading very many jobs, some at a time.

The embedded database has all that a query finds in memory at once, even for the keys alone. So jobs
are asked for by their short ids, which follow each other where jobs were added together; or, where
all are wanted, by the beginnings of their uuids, which are random.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.ids import ids_given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

#: So many jobs are read at once, which takes a quarter of the time; of more, at most so many in a
#: piece on average.
AT_ONCE, SLICE = 20_000, 2_000


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


def every_job(queue: QueueDatabase, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield some fields of all jobs, in pieces of bounded size.

    Each job is in one of them, whatever is added or deleted meanwhile, as it is when that is read.

    Args:
        queue: The project's database.
        fields: The fields.
    """
    for query in slices(about_all(queue)):
        with translated():
            yield list(queue.jobs.find(query, list(fields)))


def about_all(queue: QueueDatabase) -> int:
    """Return about how many jobs there are; those that were deleted have had ids, too."""
    given = ids_given(queue)
    if given <= AT_ONCE:
        return given
    with translated():
        return min(given, queue.jobs.estimated_document_count())


def slices(number: int) -> Iterator[dict[str, Any]]:
    """Yield queries each of which finds another part of all jobs.

    Args:
        number: About how many jobs there are.
    """
    digits = 0
    while number > AT_ONCE and number > SLICE * 16**digits:
        digits += 1
    inner = (f"{start:0{digits}x}" for start in range(1, 16**digits))
    for start, end in pairwise((None, *inner, None)):
        limits = {"$gte": start, "$lt": end}
        found = {name: limit for name, limit in limits.items() if limit is not None}
        yield {"uuid": found} if found else {}
