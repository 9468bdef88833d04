"""How a moment looks in a terminal of some size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from jfcelery.cli.output import STATE_STYLES, duration
from jfcelery.cli.watch.snapshot import RECENT
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from jfcelery.cli.watch.snapshot import Snapshot
    from jfcelery.controller.info import FlowInfo
    from jfcelery.controller.workers import WorkerInfo
    from jfcelery.database.documents import JobDoc

#: Workers that are shown; those in trouble first.
MOST_WORKERS = 4
#: Characters of a progress bar.
BAR = 12
#: Lines besides workers and rows: title, states, blank, header, blank, message, keys.
OTHER_LINES = 7


def screen(
    moment: Snapshot, chosen: int, *, width: int, height: int, message: str, keys: str
) -> RenderableType:
    """Return the whole view.

    Args:
        moment: What is shown.
        chosen: Number of the chosen row.
        width: Columns of the terminal.
        height: Its lines; 0 for as many as there is to show.
        message: What the last action did, or a question.
        keys: The keys there are.
    """
    workers = _workers(moment.workers, width)
    room = max(height - len(workers) - OTHER_LINES, 1) if height else 0
    number = len(moment.jobs if moment.flow else moment.flows)
    first = min(max(chosen - room // 2, 0), max(number - room, 0)) if room else 0
    last = first + room if room else number
    mark = chosen - first if height else -1
    if moment.flow:
        rows = _jobs(moment.jobs[first:last], mark)
    else:
        rows = _flows(moment.flows[first:last], mark)
    return Group(
        _title(moment, width),
        _states(moment.counts, width),
        *workers,
        Text(),
        rows,
        Text(),
        _line(Text(message, style="yellow"), width),
        _line(Text(keys, style="reverse" if keys else ""), width),
    )


def _line(text: Text, width: int) -> Text:
    """Return a text as one line."""
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


def _title(moment: Snapshot, width: int) -> Text:
    text = Text(f"jfcelery {moment.project}", style="bold")
    if moment.flow:
        text.append(f"  {moment.flow.name}", style="bold cyan")
        text.append(f" {moment.flow.state}", style=STATE_STYLES.get(moment.flow.state, ""))
    minutes = RECENT.total_seconds() / 60
    done, bad = moment.ended.get("COMPLETED", 0), sum(moment.ended.values())
    bad -= done
    text.append(f"  last {minutes:.0f} min: {done} done", style="not bold")
    if bad:
        text.append(f", {bad} failed", style="bold red")
    text.append(f" ({done / minutes:.1f}/min)", style="not bold")
    text.append(f"  {moment.at.astimezone():%H:%M:%S}", style="not bold bright_black")
    return _line(text, width)


def _states(counts: dict[str, int], width: int) -> Text:
    text = Text("Jobs: ")
    for state in JobState:
        if number := counts.get(state, 0):
            text.append(f"{number} {state}", style=STATE_STYLES.get(state, ""))
            text.append("  ")
    if not counts:
        text.append("none")
    return _line(text, width)


def _workers(workers: Sequence[WorkerInfo], width: int) -> list[Text]:
    ordered = sorted(workers, key=lambda worker: worker.state == "ok")
    lines = []
    for worker in ordered[:MOST_WORKERS]:
        text = Text(f"{worker.name}: {worker.active} jobs, {worker.in_queue} in its queue, ")
        text.append(worker.state, style="green" if worker.state == "ok" else "bold red")
        lines.append(_line(text, width))
    return lines


def _table(headers: Sequence[str], wide: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    for header in headers:
        ratio = 1 if header == wide else None
        table.add_column(header, no_wrap=True, overflow="ellipsis", ratio=ratio)
    return table


def _flows(flows: Sequence[FlowInfo], chosen: int) -> Table:
    table = _table(["DB id", "Flow", "State", "Progress", "Changed"], "Flow")
    for place, flow in enumerate(flows):
        style = STATE_STYLES.get(flow.state, "")
        errors = f" {flow.n_errors} RERR" if flow.n_errors else ""
        table.add_row(
            flow.db_id or "",
            Text(flow.name),
            Text(f"{flow.state}{errors}", style="bold red" if errors else style),
            _bar(flow.counts.get(JobState.COMPLETED, 0), flow.n_jobs),
            f"{flow.updated_on.astimezone():%m-%d %H:%M}",
            style="reverse" if place == chosen else "",
        )
    return table


def _bar(done: int, total: int) -> str:
    full = BAR * done // total if total else 0
    return f"{'█' * full}{'·' * (BAR - full)} {done}/{total}"


def _jobs(jobs: Sequence[JobDoc], chosen: int) -> Table:
    from jfcelery.controller.info import JobInfo

    table = _table(["DB id", "Job", "State", "Worker", "Run time", "Why"], "Job")
    table.columns[-1].max_width = 24
    for place, doc in enumerate(jobs):
        job = JobInfo.of(doc)
        time = job.run_time if job.run_time is not None else job.estimated_run_time
        why = doc.error_class or doc.remote.waiting or ""
        table.add_row(
            doc.db_id,
            Text(doc.job.name),
            Text(doc.state, style=STATE_STYLES.get(doc.state, "")),
            Text(doc.worker),
            duration(time),
            Text(why),
            style="reverse" if place == chosen else "",
        )
    return table
