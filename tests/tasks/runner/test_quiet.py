"""What stays out of the logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from jfcelery.tasks.runner.quiet import PeriodicTaskFilter, is_no_false_alarm


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


def test_a_masked_address_of_a_broker_with_tls_is_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever asks a Celery worker for its settings makes it warn of TLS without options."""
    from kombu import Connection

    logger = logging.getLogger("kombu.connection")
    Connection("rediss://u:p@h/0").as_uri()
    assert "insecure" in caplog.text
    caplog.clear()
    logger.addFilter(is_no_false_alarm)
    try:
        Connection("rediss://u:p@h/0").as_uri()
    finally:
        logger.removeFilter(is_no_false_alarm)
    assert caplog.text == ""
