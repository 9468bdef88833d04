"""The jobs that somebody chose to change: however many, only some at a time are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from jfcelery.database.chunks import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

#: Jobs that are in memory at once.
PIECE = 500


class Chosen(Sequence["JobDoc"]):
    """Jobs by their keys; each walk over them reads them as they are then.

    A document in memory takes ten times the bytes that it has in the database, so that a hundred
    thousand of them would take gigabytes. Jobs that were deleted meanwhile are passed over.

    Args:
        jobs: The project's jobs.
        keys: ``_id`` of the chosen ones, in their order.
    """

    def __init__(self, jobs: Jobs, keys: Sequence[str]) -> None:
        self._jobs = jobs
        self._keys = keys

    def __len__(self) -> int:
        """Return how many jobs were chosen."""
        return len(self._keys)

    def __iter__(self) -> Iterator[JobDoc]:
        """Yield the jobs in their order."""
        for piece in chunks(self._keys, PIECE):
            found = {doc.id: doc for doc in self._jobs.of_keys(piece)}
            yield from (found[key] for key in piece if key in found)

    @overload
    def __getitem__(self, place: int) -> JobDoc: ...

    @overload
    def __getitem__(self, place: slice) -> list[JobDoc]: ...

    def __getitem__(self, place: int | slice) -> JobDoc | list[JobDoc]:
        """Return the job at a place, or those of a slice."""
        if isinstance(place, slice):
            return list(Chosen(self._jobs, self._keys[place]))
        return next(iter(Chosen(self._jobs, [self._keys[place]])))
