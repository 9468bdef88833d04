"""A Celery app that takes itself for an earlier version of jfcelery."""

from __future__ import annotations

from jfcelery.tasks import about

#: What it says.
VERSION = "0.0.1"

about.version = lambda _name: VERSION  # type: ignore[assignment]

from jfcelery.tasks.app import app  # noqa: E402 - it asks for the version when it is imported

__all__ = ["app"]
