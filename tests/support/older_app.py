"""A Celery app that takes itself for the version of jfcelery that ``PLAYED_VERSION`` names."""

from __future__ import annotations

import os
from typing import Any

from jfcelery.tasks import about

module: Any = about
module.version = lambda _name: os.environ["PLAYED_VERSION"]

from jfcelery.tasks.app import app  # noqa: E402 - it asks for the version when it is imported

__all__ = ["app"]
