"""What jobs return, without running them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jfcelery.execution.outcome import Outcome


def outcome(**fields: Any) -> Outcome:
    """Return what a job has returned."""
    now = datetime.now(UTC)
    return Outcome(attempt=1, start_time=now, end_time=now, **fields)
