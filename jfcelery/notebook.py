"""Jobs and flows as a notebook shows them: small pieces of HTML, everything in them escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from jfcelery.controller.info import FlowInfo, JobInfo

#: Colours that can be read on white and on black.
_COLOURS = {
    "COMPLETED": "#2e9e5b",
    "FAILED": "#d9534f",
    "REMOTE_ERROR": "#d9534f",
    "RUNNING": "#3b82f6",
    "BATCH_RUNNING": "#3b82f6",
    "PAUSED": "#b7791f",
    "STOPPED": "#b7791f",
    "USER_STOPPED": "#b7791f",
}
_PLAIN = "#808890"
#: Lines of an error that are shown, from its end.
_LINES = 12


def state_mark(state: str) -> str:
    """Return a state in its colour; it is a word, too, so that nobody needs the colour."""
    return f'<span style="color:{_COLOURS.get(state, _PLAIN)}">&#9679;</span> {escape(state)}'


def progress(counts: Mapping[JobState, int]) -> str:
    """Return a bar of the COMPLETED among some jobs, and the others in words."""
    total, done = sum(counts.values()), counts.get(JobState.COMPLETED, 0)
    others = {str(state): n for state, n in sorted(counts.items()) if n}
    others.pop("COMPLETED", None)
    words = ", ".join(f"{number} {state_mark(state)}" for state, number in others.items())
    bar = f'<progress value="{done}" max="{max(total, 1)}" aria-label="COMPLETED jobs"></progress>'
    return f"{bar} {done}/{total} {words}".rstrip()


def job_card(job: JobInfo) -> str:
    """Return one job."""
    about = job.remote.waiting or ""
    rows = {
        "state": state_mark(job.state),
        "worker": escape(job.worker),
        "uuid": f"{escape(job.uuid)}, index {job.index}",
        "attempt": str(job.attempt),
        "run time": _duration(job.run_time),
        "run folder": escape(job.run_dir or ""),
        "queue job": escape(job.remote.process_id or ""),
        "waits": escape(about),
        "error": _error(job.error or job.remote.error),
    }
    return _card(f"Job {job.db_id}: {job.name}", rows)


def flow_card(flow: FlowInfo) -> str:
    """Return one flow, with its jobs where they came with it."""
    rows = {
        "state": state_mark(flow.state),
        "jobs": progress(flow.counts),
        "uuid": escape(flow.flow_id),
        "changed": _time(flow.updated_on),
    }
    card = _card(f"Flow {flow.db_id or ''}: {flow.name}", rows)
    return card + (listing_table(flow.jobs_info) if flow.jobs_info else "")


def listing_table(items: Sequence[Any], *, more: int = 0) -> str:
    """Return a table of jobs or of flows.

    Args:
        items: What to show.
        more: How many there are beside these.
    """
    if not items:
        return "<p>none</p>"
    is_flow = hasattr(items[0], "counts")
    head = ("id", "name", "state", "jobs" if is_flow else "worker", "changed")
    body = [_flow_row(item) if is_flow else _job_row(item) for item in items]
    rest = f"<p>and {more} more</p>" if more else ""
    return f"<table><thead>{_row(head, 'th')}</thead><tbody>{''.join(body)}</tbody></table>{rest}"


def _job_row(job: JobInfo) -> str:
    state = state_mark(job.state) + (f" {escape(job.error_class)}" if job.error_class else "")
    cells = (escape(job.db_id), escape(job.name), state, escape(job.worker))
    return _row((*cells, _time(job.updated_on)), "td")


def _flow_row(flow: FlowInfo) -> str:
    cells = (escape(flow.db_id or ""), escape(flow.name), state_mark(flow.state))
    return _row((*cells, progress(flow.counts), _time(flow.updated_on)), "td")


def _row(cells: Iterable[str], tag: str) -> str:
    style = 'style="text-align:left"'
    return f"<tr>{''.join(f'<{tag} {style}>{cell}</{tag}>' for cell in cells)}</tr>"


def _card(title: str, rows: Mapping[str, str]) -> str:
    body = "".join(_row((f"<b>{name}</b>", text), "td") for name, text in rows.items() if text)
    return f"<b>{escape(title)}</b><table><tbody>{body}</tbody></table>"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _error(text: str | None) -> str:
    lines = (text or "").strip().splitlines()[-_LINES:]
    return f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else ""
