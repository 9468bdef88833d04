"""The page of reports: trends, what jobs took, why they failed; to download as CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Request
from nicegui import ui

from jfcelery.controller.reports import FLOW_TRENDS, JOB_TRENDS, jobs_report
from jfcelery.controller.trends import Interval, trends
from jfcelery.web.pages.frame import card, frame, live, markup
from jfcelery.web.pages.listing import View, filter_form
from jfcelery.web.pages.markup import Safe, badge, duration, table
from jfcelery.web.pages.overview import failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.web.current import Current


def add_reports(current: Current) -> None:
    """Add the page of reports."""

    @ui.page("/reports")
    def reports(request: Request) -> None:
        view = View.of(request, ("interval",))
        wanted = view.params.get("interval", "")
        interval = wanted if wanted in set(Interval) else str(Interval.DAYS)
        with frame("Reports", request, current):
            choices = [str(one) for one in Interval]
            chosen = View({"interval": interval}, 0)
            markup(filter_form("/reports", chosen, {"interval": choices}))
            for kind in ("jobs", "flows"):
                with card(f"{kind.capitalize()} by {interval}"):
                    live(current, trends_of, kind, interval)
                    markup(downloads(kind, interval))
            with card("What jobs took"):
                live(current, usage_of, interval)
                markup(usage_downloads(interval))
            with card("Failures of the last days"):
                live(current, failures)


def downloads(kind: str, interval: str) -> Safe:
    """Return links to a report's data."""
    address = f"/api/reports/{kind}?interval={interval}&amp;zone=local"
    return Safe(
        f'<p><a href="{address}&amp;form=csv" download>CSV</a> · '
        f'<a href="{address}" download="jfcelery-{kind}-{interval}.json">JSON</a></p>'
    )


def usage_downloads(interval: str) -> Safe:
    """Return links to what jobs took."""
    address = f"/api/reports/jobs?interval={interval}&amp;zone=local&amp;form=csv"
    links = (
        f'<a href="{address}&amp;by={by}" download>CSV by {by}</a>' for by in ("worker", "flow")
    )
    return Safe(f"<p>{' · '.join(links)}</p>")


def trends_of(current: Current, kind: str, interval: str) -> Safe:
    """Return how many jobs or flows came into each state, period by period."""
    queue = current.controller().queue
    if kind == "jobs":
        return _trend_table(kind, trends(queue, JOB_TRENDS, interval, zone="local"))
    return _trend_table(kind, trends(queue, FLOW_TRENDS, interval, zone="local"))


def _trend_table(kind: str, found: Mapping[str, Mapping[Any, int]]) -> Safe:
    states = [badge(str(state)) for state in next(iter(found.values()))]
    rows = [(period, *(number or "" for number in n.values())) for period, n in found.items()]
    return table(f"{kind} over time", ["Period", *states], rows)


def usage_of(current: Current, interval: str) -> Safe:
    """Return run time, queue wait and core-hours by worker."""
    control = current.controller()
    workers = control.project.workers
    usage = jobs_report(control.queue, interval, None, "local", workers=workers).usage
    rows = [
        (
            name,
            one.jobs,
            duration(one.run),
            duration(one.queued),
            duration(one.transferred),
            f"{one.core_hours:.2f}",
        )
        for name, one in [*usage.by_worker.items(), ("all", usage.total)]
    ]
    headers = ["Worker", "Jobs", "Run time", "Queue wait", "Transfers", "Core-hours"]
    return table("What jobs took", headers, rows)
