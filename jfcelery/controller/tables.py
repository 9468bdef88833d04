"""Reports as tables and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from jfcelery.controller.reports import FlowsReport, JobsReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Either of the reports.
Report = JobsReport | FlowsReport


def table_of(report: Report) -> tuple[list[str], list[list[str | int]]]:
    """Return the headers and rows of a report's table of periods."""
    trends: Mapping[str, Mapping[Any, int]] = report.trends
    states = [str(state) for state in next(iter(trends.values()))]
    rows: list[list[str | int]] = [[period, *n.values()] for period, n in trends.items()]
    return ["period", *states], rows


def to_csv(headers: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows(rows)
    return text.getvalue()
