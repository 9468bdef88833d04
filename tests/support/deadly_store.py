"""A store of a user's own that takes its process down with certain outputs."""

from __future__ import annotations

import ctypes
from typing import Any

from maggma.stores import MongoStore

from tests.support.memory import eat

#: An output that makes a library of the user's crash, and one that makes it take all memory.
CRASHES = "makes a library crash"
EATS = "makes a library take all memory"


class DeadlyStore(MongoStore):
    """As MongoStore, but for two outputs."""

    def update(self, docs: Any, key: Any = None) -> None:
        """Store documents, if the process survives it."""
        for doc in docs:
            if doc["output"] == CRASHES:
                ctypes.string_at(0)  # a segmentation fault
            if doc["output"] == EATS:
                eat()
        super().update(docs, key)
