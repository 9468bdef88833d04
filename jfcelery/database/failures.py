"""Long texts of errors, kept apart from the hot documents: a list of jobs reads only their ends.

A document keeps the beginning and the end of a long error; the whole text lies beside the
serialised jobs, one document a job, by attempt, until the job is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc

#: Bytes of an error's beginning and of its end that the hot document keeps.
HEAD, TAIL = 100, 240
#: Stands between the two, and tells that the whole text lies apart.
CUT = "\n[...]\n"
#: Bytes of the reason of a change, or of a wait, that the hot document keeps.
REASON = 160
#: Characters of an error that are kept apart, from the end.
WHOLE = 8000
#: Fields with the text of an error.
_ERRORS = ("error", "remote.error")


def failure_key(key: str) -> str:
    """Return the ``_id`` of the document with a job's long errors."""
    return f"{key}:errors"


def with_short_errors(
    queue: QueueDatabase, doc: JobDoc, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return fields that are to be set in a hot document, long errors put apart first.

    Secrets of the project, which an exception may hold, are taken out of them.
    """
    short = dict(fields)
    for name in _ERRORS:
        if not (given := short.get(name)):
            continue
        text = queue.redact(given)
        short[name] = _ends(text)
        if short[name] != text:
            _put_apart(queue, doc, name, text[-WHOLE:] if name == "error" else text)
    if waiting := short.get("remote.waiting"):
        short["remote.waiting"] = reason(queue.redact(waiting))
    return short


def with_whole_errors(queue: QueueDatabase, doc: JobDoc) -> JobDoc:
    """Return a job's document with its errors in full."""
    hot = {"error": doc.error, "remote.error": doc.remote.error}
    if not any(CUT in (text or "") for text in hot.values()):
        return doc
    whole = errors_of(queue, doc).get(doc.attempt, {})
    return doc.with_fields(
        {name: text for name, text in whole.items() if hot.get(name) and CUT in str(hot[name])}
    )


def errors_of(queue: QueueDatabase, doc: JobDoc) -> dict[int, dict[str, str]]:
    """Return a job's long errors by attempt, and by the field that they were of."""
    with translated():
        found = queue.payloads.find_one({"_id": failure_key(doc.id)}) or {}
    texts: dict[str, dict[str, str]] = found.get("attempts", {})
    return {
        int(attempt): {("remote.error" if name == "remote" else name): t for name, t in of.items()}
        for attempt, of in texts.items()
    }


def reason(text: str) -> str:
    """Return a reason in one line; a long one loses its middle."""
    return _ends(text, REASON // 2, REASON // 2, " ... ")


def _put_apart(queue: QueueDatabase, doc: JobDoc, name: str, text: str) -> None:
    attempt, field = str(doc.attempt), name.partition(".")[0]

    def change(old: Mapping[str, Any]) -> dict[str, Any]:
        attempts = dict(old.get("attempts", {}))
        attempts[attempt] = {**attempts.get(attempt, {}), field: text}
        return {"attempts": attempts}

    change_record(queue, failure_key(doc.id), change, collection=queue.payloads)


def _ends(text: str, head: int = HEAD, tail: int = TAIL, cut: str = CUT) -> str:
    """Return beginning and end of a long text, a short one as it is."""
    raw = text.encode()
    if len(raw) <= head + len(cut) + tail:
        return text
    first, last = raw[:head].decode(errors="ignore"), raw[-tail:].decode(errors="ignore")
    return f"{first}{cut}{last}"
