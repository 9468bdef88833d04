"""HTML for what the pages show: tables, states, times, trees. All text is escaped here."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Most items of a list or mapping that a tree shows, and its greatest depth.
MOST_ITEMS, MOST_DEPTH = 200, 12
#: Most entries of a mapping that is shown as a list of facts.
MOST_FACTS = 20
#: Most characters of one value in a tree.
MOST_CHARACTERS = 2000
#: Which look a state has: see the style sheet.
LOOKS = {
    "COMPLETED": "good",
    "FAILED": "bad",
    "REMOTE_ERROR": "bad",
    "RUNNING": "busy",
    "BATCH_RUNNING": "busy",
    "PAUSED": "held",
    "STOPPED": "held",
    "USER_STOPPED": "held",
    "WAITING": "idle",
    "READY": "idle",
}


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Safe:
    """Return a value as HTML; nothing for None."""
    if isinstance(value, Safe):
        return value
    return Safe("" if value is None else escape(str(value)))


def link(target: str, words: object) -> Safe:
    """Return a link to one of our pages."""
    return Safe(f'<a href="{escape(target)}">{text(words)}</a>')


def job_link(db_id: str) -> Safe:
    """Return a link to a job's page."""
    return link(f"/job/{quote(db_id, safe='')}", db_id)


def flow_link(uuid: str, words: object) -> Safe:
    """Return a link to a flow's page."""
    return link(f"/flow/{quote(uuid, safe='')}", words)


def look(state: str) -> str:
    """Return which look a state has."""
    return LOOKS.get(str(state), "moving")


def badge(state: str) -> Safe:
    """Return a state in its colour."""
    return Safe(f'<span class="badge {look(state)}">{text(state)}</span>')


def breaker(state: str) -> tuple[Safe, Safe]:
    """Return the state of a host's breaker in its colour, and why it is so."""
    word, _, why = state.partition(": ")
    kind = {"ok": "good", "paused": "held"}.get(word, "bad")
    return Safe(f'<span class="badge {kind}">{text(word)}</span>'), text(why)


def when(moment: datetime | None) -> Safe:
    """Return a time in the server's zone."""
    if moment is None:
        return Safe("")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    local = aware.astimezone()
    return Safe(f'<time datetime="{aware.isoformat()}">{local:%Y-%m-%d %H:%M:%S}</time>')


def duration(seconds: float | None) -> str:
    """Return a duration as ``h:mm:ss``; nothing for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Safe:
    """Return a table; its caption is for screen readers.

    A row that begins with a link is the row of what that leads to, wherever it comes to stand.
    """
    head = "".join(f'<th scope="col">{text(header)}</th>' for header in headers)
    body = "".join(
        f"<tr{_key(row)}>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    if not body:
        body = f'<tr><td colspan="{len(headers)}" class="none">Nothing to show.</td></tr>'
    return Safe(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f'<caption class="hidden">{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _key(row: Sequence[object]) -> str:
    first = row[0]
    if isinstance(first, Safe) and first.startswith("<a "):
        return f' data-key="{escape(first)}"'
    return ""


def facts(values: Mapping[str, object]) -> Safe:
    """Return names and values as a list; what has no value is left out.

    Mappings are lists within it, whose names are a person's own; lists of more than plain values,
    and what is large, are trees.
    """
    named = {name.replace("_", " "): value for name, value in values.items()}
    return _listed(named)


def _listed(values: Mapping[str, object]) -> Safe:
    rows = "".join(
        f"<dt>{text(name)}</dt><dd>{_value(value)}</dd>"
        for name, value in values.items()
        if value not in (None, "", [], {}, ())
    )
    return Safe(f'<dl class="facts">{rows}</dl>')


def _value(value: object) -> Safe:
    if isinstance(value, dict):
        return _listed(value) if len(value) <= MOST_FACTS else tree(value)
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, dict | list | tuple) for item in value)
        return tree(list(value)) if nested else text(", ".join(map(str, value)))
    return text(value)


def bar(counts: Mapping[str, int], label: str) -> Safe:
    """Return a progress bar of numbers by state."""
    counts = {state: number for state, number in counts.items() if number}
    whole = sum(counts.values()) or 1
    done = counts.get("COMPLETED", 0)
    parts = "".join(
        f'<i class="{look(state)}" style="width:{100 * number / whole:.2f}%"></i>'
        for state, number in sorted(counts.items(), key=lambda item: _place(item[0]))
    )
    words = ", ".join(f"{number} {state}" for state, number in counts.items())
    return Safe(
        f'<span class="bar" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="{whole}" aria-valuenow="{done}" title="{escape(words)}">{parts}</span>'
        f'<small class="of">{done} of {whole}</small>'
    )


def _place(state: str) -> int:
    return ("good", "bad", "busy", "moving", "held", "idle").index(look(state))


def tree(value: Any, name: str = "", *, depth: int = 0) -> Safe:
    """Return any value of JSON as a tree whose branches open and close."""
    label = f"<b>{text(name)}</b> " if name else ""
    if isinstance(value, dict | list) and value:
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        one, many = ("entry", "entries") if isinstance(value, dict) else ("item", "items")
        kind = f"{len(items)} {one if len(items) == 1 else many}"
        if depth >= MOST_DEPTH:
            return Safe(f"<div>{label}<i>{kind}</i></div>")
        inner = "".join(tree(v, str(k), depth=depth + 1) for k, v in items[:MOST_ITEMS])
        more = len(items) - MOST_ITEMS
        inner += f"<div><i>and {more} more</i></div>" if more > 0 else ""
        is_open = " open" if depth == 0 else ""
        return Safe(
            f'<details class="tree"{is_open}><summary>{label}<i>{kind}</i></summary>'
            f"{inner}</details>"
        )
    shown = str(value)
    cut = shown[:MOST_CHARACTERS] + ("…" if len(shown) > MOST_CHARACTERS else "")
    return Safe(f"<div>{label}<code>{text(cut)}</code></div>")
