"""The outbox: a record with what was seen, what waits to be told by each rule, and how that went.

It is bounded: of a flood each rule keeps the number of each event and the first lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project.notifications import NotificationRule
    from jfcelery.tasks.notifications.notice import Notice

KEY = "notifications"
#: Lines of one message.
MOST_LINES = 20
#: So long what was seen is remembered: longer than any look goes back before the one before it.
MEMORY = timedelta(minutes=10)
#: How many such at most.
MOST_SEEN = 20_000
#: What happened before that is not told any more, after a long time without a look.
LONGEST = timedelta(hours=1)
#: What happens at one time should come in one message.
GATHER = 5.0
#: For so long one process alone may send a rule's message.
CLAIM = timedelta(minutes=5)
#: Seconds before each new try to send.
WAITS = (30, 120, 600)


@dataclass(frozen=True)
class Message:
    """What a rule has to tell.

    Args:
        rule: The rule's number in the project file, from 1.
        counts: How often each event happened.
        lines: The first of them, in words.
        left: Numbers of those of the rule's addresses that do not have it yet.
    """

    rule: int
    counts: Mapping[str, int]
    lines: Sequence[str]
    left: Sequence[int]


class Outbox:
    """The outbox of a project."""

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def read(self) -> dict[str, Any]:
        """Return the record."""
        with translated():
            return self.queue.auxiliary.find_one({"_id": KEY}) or {}

    def take_turn(self, interval: timedelta) -> dict[str, Any] | None:
        """Return the record to whoever gets the turn to look, None to all others.

        The first look ever begins with that moment: what was before is not told.
        """
        now = self.queue.clock.now()

        def take(record: Mapping[str, Any]) -> dict[str, Any] | None:
            due = record.get("next_look")
            if due is not None and due > now:
                return None
            begun = max(record.get("begun", now), now - LONGEST)
            since = max(record.get("since", now), begun)
            return {"next_look": now + interval, "since": since, "begun": begun}

        return change_record(self.queue, KEY, take)

    def put(
        self,
        notices: Sequence[Notice],
        rules: Sequence[NotificationRule],
        *,
        looked: datetime,
        down: Sequence[dict[str, Any]],
    ) -> None:
        """Take in what a look showed, and with it how far was looked.

        Args:
            notices: What happened.
            rules: The project's rules.
            looked: When the look began.
            down: The hosts that are told to be down.
        """

        def change(record: Mapping[str, Any]) -> dict[str, Any]:
            oldest = looked - MEMORY
            seen = [entry for entry in record.get("seen", []) if entry["at"] > oldest]
            known = {entry["key"] for entry in seen}
            new = {n.digest: n for n in notices if n.digest not in known}
            seen += [{"key": key, "at": looked} for key in new]
            boxes = {key: dict(box) for key, box in record.get("rules", {}).items()}
            for number, rule in enumerate(rules, 1):
                told = [notice for notice in new.values() if notice.concerns(rule)]
                if told:
                    box = boxes.setdefault(str(number), {})
                    box["pending"] = _gathered(box.get("pending"), told, looked)
            since = max(record.get("since", looked), looked)
            return {
                "seen": seen[-MOST_SEEN:],
                "rules": boxes,
                "since": since,
                "down": list(down),
            }

        change_record(self.queue, KEY, change)

    def claim(self, number: int, rule: NotificationRule) -> Message | None:
        """Return what is due to be sent by a rule; nobody else gets it for a while."""
        now, message = self.queue.clock.now(), None

        def take(box: Mapping[str, Any]) -> dict[str, Any] | None:
            nonlocal message
            message = None
            if not _is_due(box, now, rule.digest):
                return None
            begun = {"left": list(range(len(rule.urls))), "tries": 0}
            sending: dict[str, Any] = box.get("sending") or {**box["pending"], **begun}
            message = Message(number, sending["counts"], sending["lines"], sending["left"])
            pending = box.get("pending") if box.get("sending") else None
            return {"sending": sending, "pending": pending, "claimed": now + CLAIM}

        self._change_box(number, take)
        return message

    def sent(self, message: Message, rule: NotificationRule, errors: Mapping[int, str]) -> None:
        """Note how sending went.

        Args:
            message: What was sent.
            rule: By which rule.
            errors: What went wrong, by the number of the address; empty if nothing did.
        """
        now = self.queue.clock.now()
        later = now + timedelta(seconds=rule.digest)

        def note(box: Mapping[str, Any]) -> dict[str, Any]:
            if not errors:
                return {"sending": None, "claimed": None, "next": later, "sent": now, "error": None}
            sending = dict(box.get("sending") or {})
            tries = sending.get("tries", 0) + 1
            error = {"at": now, "text": "; ".join(dict.fromkeys(errors.values())), "tries": tries}
            if tries > len(WAITS):
                lost = {"sending": None, "claimed": None, "next": later}
                return {**lost, "error": {**error, "given_up": True}}
            again = now + timedelta(seconds=WAITS[tries - 1])
            sending |= {"left": sorted(errors), "tries": tries}
            return {"sending": sending, "claimed": None, "next": again, "error": error}

        self._change_box(message.rule, note)

    def _change_box(self, number: int, change: Any) -> None:
        key = str(number)

        def renew(record: Mapping[str, Any]) -> dict[str, Any] | None:
            boxes = dict(record.get("rules", {}))
            fields = change(boxes.get(key, {}))
            if fields is None:
                return None
            boxes[key] = {**boxes.get(key, {}), **fields}
            return {"rules": boxes}

        change_record(self.queue, KEY, renew)


def _gathered(
    pending: Mapping[str, Any] | None, notices: Sequence[Notice], now: datetime
) -> dict[str, Any]:
    before = pending or {"first": now, "counts": {}, "lines": []}
    counts = dict(before["counts"])
    for notice in notices:
        counts[notice.event] = counts.get(notice.event, 0) + 1
    told = [f"{notice.at:%Y-%m-%d %H:%M:%S} UTC  {notice.line}" for notice in notices]
    return {
        "first": before["first"],
        "counts": counts,
        "lines": [*before["lines"], *told][:MOST_LINES],
    }


def _is_due(box: Mapping[str, Any], now: datetime, digest: float) -> bool:
    claimed, following = box.get("claimed"), box.get("next")
    if (claimed is not None and claimed > now) or (following is not None and following > now):
        return False
    if box.get("sending"):
        return True
    pending: Mapping[str, Any] = box.get("pending") or {}
    return bool(pending) and now >= pending["first"] + timedelta(seconds=min(GATHER, digest))
