"""The pages for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from jfcelery.web.current import Current


def add_pages(app: FastAPI, current: Current) -> None:
    """Add the pages of a project; a process has those of one project only.

    Args:
        app: The application.
        current: The project.
    """
    from nicegui import ui

    from jfcelery.web.pages.flow import add_flow
    from jfcelery.web.pages.job import add_job
    from jfcelery.web.pages.listing import add_listings
    from jfcelery.web.pages.missing import add_missing
    from jfcelery.web.pages.overview import add_overview
    from jfcelery.web.pages.reports import add_reports
    from jfcelery.web.pages.workers import add_workers

    for add in (add_overview, add_listings, add_job, add_flow, add_reports, add_workers):
        add(current)
    add_missing(app, current)
    ui.run_with(
        app, title=current.project.name, dark=None, language="en-US", show_welcome_message=False
    )
