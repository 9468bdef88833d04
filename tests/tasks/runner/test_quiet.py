"""What stays out of the logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from jfcelery.tasks.runner.quiet import PeriodicTaskFilter


@pytest.mark.parametrize(
    "level,args,kept",
    [
        (logging.INFO, ({"name": "jfcelery.tick", "id": "1"},), False),
        (logging.INFO, ({"name": "jfcelery.submit", "id": "1"},), True),
        (logging.INFO, ("tick", "jfcelery.tick"), False),
        (logging.INFO, (), True),
        (logging.INFO, (1, None), True),
        (logging.ERROR, ({"name": "jfcelery.tick", "id": "1"},), True),
    ],
)
def test_filter(level: int, args: tuple[Any, ...], kept: bool) -> None:
    """Only good news of periodic tasks is dropped; their errors and all steps stay."""
    record = logging.LogRecord("celery", level, __file__, 1, "message", args, None)
    assert PeriodicTaskFilter().filter(record) is kept
