"""Options of the embedded services that the environment may change."""

from __future__ import annotations

import os

#: Memory that the embedded database may use as a cache.
CACHE_SIZE = "256M"


def cache_size() -> str:
    """Return the database's cache size; ``JFCELERY_DATABASE_CACHE`` changes it."""
    return os.environ.get("JFCELERY_DATABASE_CACHE", CACHE_SIZE)
