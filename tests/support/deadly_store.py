"""A store of a user's own that takes its process down with a certain output."""

from __future__ import annotations

import ctypes
from typing import Any

from maggma.stores import MongoStore

#: An output that makes a library of the user's crash.
CRASHES = "makes a library crash"


class DeadlyStore(MongoStore):
    """As MongoStore, but for one output."""

    def update(self, docs: Any, key: Any = None) -> None:
        """Store documents, if the process survives it."""
        for doc in docs:
            if doc["output"] == CRASHES:
                ctypes.string_at(0)  # a segmentation fault
        super().update(docs, key)
