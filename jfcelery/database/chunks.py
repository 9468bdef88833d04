"""Cutting long sequences into pieces of bounded size."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield lists of at most ``size`` items."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
