"""A store of a user's own that takes its process down with certain outputs."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

from maggma.stores import MongoStore

#: Outputs that make a library of the user's crash, and take all memory until the system kills.
CRASHES, EATS_MEMORY = "makes a library crash", "takes all memory"


class DeadlyStore(MongoStore):
    """As MongoStore, but for a few outputs."""

    def update(self, docs: Any, key: Any = None) -> None:
        """Store documents, if the process survives it."""
        for doc in docs:
            if doc["output"] == CRASHES:
                ctypes.string_at(0)  # a segmentation fault
            if doc["output"] == EATS_MEMORY:
                os.kill(os.getpid(), signal.SIGKILL)  # as Linux does; see oom(7) of the kernel
        super().update(docs, key)
