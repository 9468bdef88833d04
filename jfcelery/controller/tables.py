"""The tables of reports, for CSV and for pages."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from jfcelery.controller.reports import FlowsReport, JobsReport
from jfcelery.controller.usage import Usage
from jfcelery.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Either of the reports.
Report = JobsReport | FlowsReport
#: Headers and rows.
Table = tuple[list[str], list[list[str | int | float]]]
#: The tables of a report on flows, by what a row stands for.
FLOW_TABLES = ("period", "state")
#: The tables of a report on jobs.
JOB_TABLES = (*FLOW_TABLES, "worker", "flow")


def table_of(report: Report, by: str = "period") -> Table:
    """Return one table of a report; seconds and hours as they are.

    Args:
        report: The report.
        by: What a row stands for, one of :data:`JOB_TABLES` or :data:`FLOW_TABLES`.

    Raises:
        InputError: The report has no such table.
    """
    if by == "state":
        counts: Mapping[Any, int] = report.state_counts
        return ["state", "number"], [[str(state), number] for state, number in counts.items()]
    if by == "period":
        trends: Mapping[str, Mapping[Any, int]] = report.trends
        states = [str(state) for state in next(iter(trends.values()))]
        return ["period", *states], [[period, *n.values()] for period, n in trends.items()]
    if by not in JOB_TABLES or isinstance(report, FlowsReport):
        raise InputError(
            f"The report has no table by {by}.", remedy=f"Reports on jobs: {', '.join(JOB_TABLES)}"
        )
    headers, usage = [field.name for field in fields(Usage)], report.usage
    if by == "worker":
        rows = [[name, *asdict(one).values()] for name, one in usage.by_worker.items()]
        return ["worker", *headers], rows
    names = usage.flow_names
    rows = [[uuid, names.get(uuid, ""), *asdict(o).values()] for uuid, o in usage.by_flow.items()]
    return ["flow", "name", *headers], rows


def to_csv(headers: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows(rows)
    return text.getvalue()
