"""Machines whose clocks differ by minutes work together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.tasks.schedule import beat_schedule
from jfcelery.tasks.sending import Sender

if TYPE_CHECKING:
    import pytest

    from jfcelery.project import Project

#: By so much may the clock of the machine that sends be slow.
SLOW = timedelta(minutes=20)


def test_no_message_is_void_because_a_clock_is_slow(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine sends whose clock is minutes slow has not expired where it arrives."""
    from celery import Celery
    from celery.app import amqp

    app = Celery("slow", set_as_current=False)
    slow = datetime.now(UTC) - SLOW
    monkeypatch.setattr(app, "now", lambda: slow)
    sent: list[Any] = []
    monkeypatch.setattr(
        amqp.AMQP,
        "send_task_message",
        property(lambda _: lambda _producer, _name, message, **_options: sent.append(message)),
    )
    sender = Sender(app, project)
    sender.poll("local")
    sender.cancel("local")
    for entry in beat_schedule(project).values():
        app.send_task(entry["task"], **entry["options"])
    expiries = [datetime.fromisoformat(message.headers["expires"]) for message in sent]
    assert len(expiries) == 6
    assert min(expiries) > datetime.now(UTC)
