"""How a moment looks in a terminal of some size.

What is long and must be read goes on in a second line; of rows, names are cut before states are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from jfcelery.cli.output import STATE_STYLES, counted, duration, printable
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
#: Lines that a worker in trouble, or a message, takes at most.
MOST_LINES = 2
#: Characters of a progress bar.
BAR = 12
#: Characters that a worker's name gets at most among jobs, and a job's name at least.
WORKER, NAME = 16, 16


def screen(
    moment: Snapshot, chosen: int, *, width: int, height: int, message: str, keys: str
) -> RenderableType:
    """Return the whole view.

    Args:
        moment: What is shown.
        chosen: Number of the chosen row.
        width: Columns of the terminal.
        height: Its lines; 0 for as many as there is to show.
        message: What the last action did, or a question; without one, the chosen job's trouble.
        keys: The keys there are.
    """
    above = [_title(moment, width), *_states(moment, width), *_workers(moment.workers, width)]
    if height and not message and moment.flow and moment.jobs:
        message = _trouble(moment.jobs[chosen])
    below = [
        *_lines(Text(message, style="yellow"), width),
        _line(Text(keys, style="reverse"), width),
    ]
    # Besides these: a blank line, the header, another blank one.
    room = max(height - len(above) - len(below) - 3, 1) if height else 0
    number = len(moment.jobs if moment.flow else moment.flows)
    first = min(max(chosen - room // 2, 0), max(number - room, 0)) if room else 0
    last = first + room if room else number
    mark = chosen - first if height else -1
    if moment.flow:
        rows = _jobs(moment.jobs[first:last], mark, width)
    else:
        rows = _flows(moment.flows[first:last], mark)
    return Group(*above, Text(), rows, Text(), *below)


def _line(text: Text, width: int) -> Text:
    """Return a text as one line."""
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


def _lines(text: Text, width: int) -> list[Text]:
    """Return a text as one line, or as few as it takes; of a long one the end is cut off."""
    first, *rest = text.wrap(Console(), width) or [Text()]
    if len(rest) >= MOST_LINES:
        rest = [*rest[: MOST_LINES - 2], _line(Text().join(rest[MOST_LINES - 2 :]), width)]
    return [first, *rest]


def _title(moment: Snapshot, width: int) -> Text:
    text = Text(f"jfcelery {moment.project}  ", style="bold")
    rest = Text()
    if moment.flow:
        rest.append(f" {moment.flow.state}", style=STATE_STYLES.get(moment.flow.state, ""))
    else:
        minutes = RECENT.total_seconds() / 60
        done = moment.ended.get("COMPLETED", 0)
        rest.append(f"last {minutes:.0f} min: {done} done", style="not bold")
        if bad := sum(moment.ended.values()) - done:
            rest.append(f", {bad} failed", style="bold red")
        rest.append(f" ({done / minutes:.1f}/min)", style="not bold")
    rest.append(f"  {moment.at.astimezone():%H:%M:%S}", style="not bold bright_black")
    if moment.flow:
        name = Text(f"{moment.flow.db_id} {moment.flow.name}", style="bold cyan")
        text.append_text(_line(name, max(width - text.cell_len - rest.cell_len, NAME)))
    return _line(text.append_text(rest), width)


def _states(moment: Snapshot, width: int) -> list[Text]:
    """Return how many jobs there are in each state: of the flow that is open, or of all."""
    counts = moment.flow.counts if moment.flow else moment.counts
    lines = [Text("Jobs: " if counts else "Jobs: none")]
    for state in JobState:
        if number := counts.get(state, 0):
            words = Text(f"{number} {state}  ", style=STATE_STYLES.get(state, ""))
            if lines[-1].cell_len + words.cell_len > width + 2:
                lines.append(Text("      "))
            lines[-1].append_text(words)
    for line in lines:
        line.rstrip()
    return lines


def _workers(workers: Sequence[WorkerInfo], width: int) -> list[Text]:
    ordered = sorted(workers, key=lambda worker: worker.state == "ok")
    lines = []
    for worker in ordered[:MOST_WORKERS]:
        jobs = counted(worker.active, "job")
        text = Text(f"{worker.name}: {jobs}, {worker.in_queue} in its queue, ")
        text.append(worker.state, style="green" if worker.state == "ok" else "bold red")
        lines += _lines(text, width)
    return lines


def _trouble(doc: JobDoc) -> str:
    """Return why a job failed or waits, in full; empty if there is nothing to tell."""
    error = (doc.error or doc.remote.error or "").strip()
    why = error.splitlines()[0] if error else doc.remote.waiting or ""
    return f"{doc.db_id} {doc.job.name}: {printable(why)}" if why else ""


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


def _jobs(jobs: Sequence[JobDoc], chosen: int, width: int) -> Table:
    from jfcelery.controller.info import JobInfo

    infos = [JobInfo.of(doc) for doc in jobs]
    times = [j.run_time if j.run_time is not None else j.estimated_run_time for j in infos]
    reasons = [doc.error_class or doc.remote.waiting or "" for doc in jobs]
    table = _table(["DB id", "Job", "State", "Worker", "Run time", "Why"], "Job")
    table.columns[3].max_width = WORKER
    others = [max([5, *(len(doc.db_id) for doc in jobs)]), max([5, *(len(d.state) for d in jobs)])]
    others += [max([6, *(min(len(doc.worker), WORKER) for doc in jobs)]), 8]
    # What the others leave is for the name and the reason, each with a blank before it.
    table.columns[-1].max_width = max(width - sum(others) - len(others) - NAME - 1, 3)
    for place, (doc, time, why) in enumerate(zip(jobs, times, reasons, strict=True)):
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
