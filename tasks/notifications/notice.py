"""One thing that happened, and whether a rule wants to hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from jfcelery.project.masking import without_login

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jfcelery.project.notifications import NotificationRule

#: Characters of one line of a message.
LINE = 300


@dataclass(frozen=True)
class Notice:
    """What happened, once.

    Args:
        key: Tells it from all others; seen twice, it is told once.
        event: What kind of thing, as the project file names it.
        text: What happened, in one line.
        at: When.
        causes: How a job ended, as ``on`` of a rule names it.
    """

    key: str
    event: str
    text: str
    at: datetime
    causes: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """The key, short."""
        return sha256(self.key.encode()).hexdigest()[:16]

    @property
    def line(self) -> str:
        """The text as a message has it: bounded, without passwords of addresses."""
        text = without_login(" ".join(self.text.split()))
        return text if len(text) <= LINE else f"{text[: LINE - 3]}..."

    def concerns(self, rule: NotificationRule) -> bool:
        """Return whether a rule asks for it."""
        if self.event == "job_failed" and rule.on and not set(rule.on) & set(self.causes):
            return False
        # A host that waits for a login is down, too.
        return self.event in rule.events or (
            self.event == "login_needed" and "host_down" in rule.events
        )


def wanted(rules: Sequence[NotificationRule]) -> set[str]:
    """Return all events that some rule asks for."""
    events = {str(event) for rule in rules for event in rule.events}
    return events | ({"login_needed"} if "host_down" in events else set())
