"""The pages of all jobs and of all flows: filters in the address, pages read by the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from jfcelery.controller.info import JobInfo
from jfcelery.controller.queries import find_flows, find_jobs
from jfcelery.errors import InputError, JfceleryError
from jfcelery.states import FlowState, JobState
from jfcelery.web.api.models import FlowSelection, JobSelection
from jfcelery.web.pages.actions import ActionBar
from jfcelery.web.pages.frame import LOOK_INTERVAL, frame, live, markup
from jfcelery.web.pages.markup import Safe, badge, bar, flow_link, table, text, when

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jfcelery.web.current import Current

#: Rows of a page.
ROWS = 100
#: Filters of the page of jobs, which are those of the command line.
FILTERS = (
    *("state", "worker", "name", "id", "flow", "error_class", "error_regex"),
    *("since", "until", "metadata", "locked"),
)
#: Those of them that few people need.
RARE = FILTERS[5:]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Columns of the table of jobs: field, heading.
COLUMNS = {
    "db_id": "Id",
    "name": "Name",
    "state": "State",
    "worker": "Worker",
    "attempt": "Attempt",
    "updated": "Changed",
    "error": "Error",
}
#: How cells of the table of jobs look.
_ID_CELL = '<q-td :props="props"><a :href="`/job/${props.value}`">{{ props.value }}</a></q-td>'
_CHOOSE_ALL = '<q-checkbox v-model="props.selected" dense aria-label="Choose all jobs" />'
_CHOOSE_ONE = (
    '<q-checkbox v-model="props.selected" dense :aria-label="`Choose job ${props.row.db_id}`" />'
)
_STATE_CELL = (
    '<q-td :props="props"><span class="badge" :class="props.row.look">{{ props.value }}</span>'
    "</q-td>"
)


@dataclass(frozen=True)
class View:
    """What the address asks for.

    Args:
        params: The filters, by their names in the address.
        page: Which page, from 0 on.
    """

    params: Mapping[str, str]
    page: int

    @classmethod
    def of(cls, request: Request, known: Sequence[str]) -> View:
        """Return what an address asks for; what is unknown or empty is left out."""
        given = request.query_params
        page = given.get("page", "0")
        return cls(
            {name: given[name].strip() for name in known if given.get(name, "").strip()},
            min(int(page), 10**6) if page.isdecimal() else 0,
        )

    def pager(self, path: str, full: bool) -> Safe:
        """Return links to the pages before and after."""
        links = [f"<span>Page {self.page + 1}</span>"]
        for shown, page, words in (
            (self.page > 0, self.page - 1, "Previous"),
            (full, self.page + 1, "Next"),
        ):
            if shown:
                query = urlencode({**self.params, "page": page})
                links.append(f'<a href="{path}?{text(query)}">{words}</a>')
        return Safe(f'<nav class="pager" aria-label="Pages of rows">{"".join(links)}</nav>')


def filter_form(
    path: str,
    view: View,
    fields: Mapping[str, Sequence[str] | None],
    rare: Collection[str] = (),
) -> Safe:
    """Return a form whose fields go into the address.

    Args:
        path: The page.
        view: What the address asks for now.
        fields: Names, and the values to choose from, None for any text.
        rare: Those that are hidden until somebody wants them, or uses one.
    """
    parts: list[str] = []
    more: list[str] = []
    for name, choices in fields.items():
        value = view.params.get(name, "")
        words = name.replace("_", " ").capitalize()
        if choices is None:
            entry = f'<input name="{name}" value="{text(value)}">'
        else:
            options = "".join(
                f"<option{' selected' if choice == value else ''}>{text(choice)}</option>"
                for choice in ("", *choices)
            )
            entry = f'<select name="{name}">{options}</select>'
        (more if name in rare else parts).append(f"<label>{words} {entry}</label>")
    is_open = " open" if any(name in view.params for name in rare) else ""
    others = (
        f"<details{is_open}><summary>More filters</summary>"
        f'<div class="fields">{"".join(more)}</div></details>'
    )
    return Safe(
        f'<form class="filter" role="search" action="{path}">'
        f'<div class="fields">{"".join(parts)}<button class="plain">Filter</button></div>'
        f"{others if more else ''}</form>"
    )


def job_selection(params: Mapping[str, str]) -> JobSelection:
    """Return the jobs that an address asks for."""
    fields: dict[str, Any] = {
        "states": [params["state"]] if "state" in params else [],
        "workers": [params["worker"]] if "worker" in params else [],
        "flow_ids": [params["flow"]] if "flow" in params else [],
    }
    for name in ("name", "error_class", "error_regex"):
        fields[name] = params.get(name)
    for name, field in (("since", "start_date"), ("until", "end_date")):
        if name in params:
            fields[field] = params[name]
    ids = params.get("id", "").replace(",", " ").split()
    fields["uuids"] = [one for one in ids if _UUID.fullmatch(one)]
    fields["db_ids"] = [one for one in ids if not _UUID.fullmatch(one)]
    fields["metadata"] = _pairs(params.get("metadata", ""))
    fields["locked"] = params.get("locked") == "yes"
    return JobSelection(**fields)


def _pairs(given: str) -> dict[str, str]:
    parts = [part.partition("=") for part in given.split(",") if part.strip()]
    if not all(name.strip() and sign for name, sign, _ in parts):
        raise InputError("Metadata are written name=value, separated by commas.")
    return {name.strip(): value.strip() for name, _, value in parts}


def job_rows(current: Current, selection: JobSelection, page: int) -> list[dict[str, Any]]:
    """Return one page of jobs as the table shows them."""
    docs = find_jobs(
        current.controller().queue,
        selection.filter(),
        sort=[("updated_on", -1)],
        limit=ROWS,
        skip=page * ROWS,
    )
    return [_job_row(JobInfo.of(doc)) for doc in docs]


def _job_row(job: JobInfo) -> dict[str, Any]:
    from jfcelery.web.pages.markup import look

    error = (job.error or job.remote.error or "").strip().splitlines()
    return {
        "db_id": job.db_id,
        "name": job.name,
        "state": str(job.state),
        "look": look(job.state),
        "worker": job.worker,
        "attempt": job.attempt,
        "updated": f"{job.updated_on.astimezone():%Y-%m-%d %H:%M:%S}",
        "error": error[-1][:120] if error else "",
    }


def add_listings(current: Current) -> None:
    """Add the pages of jobs and of flows."""

    @ui.page("/jobs")
    def jobs(request: Request) -> None:
        view = View.of(request, FILTERS)
        with frame("Jobs", request, current) as caller:
            choices: dict[str, Sequence[str] | None] = dict.fromkeys(FILTERS)
            choices["state"] = [str(state) for state in JobState]
            choices["worker"] = list(current.project.workers)
            choices["locked"] = ["yes"]
            markup(filter_form("/jobs", view, choices, RARE))
            try:
                selection = job_selection(view.params)
                selection.filter()
            except (ValueError, JfceleryError) as error:
                markup(Safe(f'<p class="error" role="alert">{text(_first_line(error))}</p>'))
                return
            shown = JobTable(current, selection, view)
            ActionBar(current, caller, shown.chosen)
            shown.build()

    @ui.page("/flows")
    def flows(request: Request) -> None:
        view = View.of(request, ("state", "name"))
        with frame("Flows", request, current):
            states = [str(state) for state in FlowState]
            markup(filter_form("/flows", view, {"state": states, "name": None}))
            with ui.element("section").classes("card"):
                live(current, flow_table, view)


def _first_line(error: Exception) -> str:
    if isinstance(error, JfceleryError):
        return error.message
    return "A filter holds what cannot be looked for: dates are written 2026-01-31."


class JobTable:
    """The table of jobs: rows are chosen by ticking them, and follow the database.

    Args:
        current: The project.
        selection: Which jobs.
        view: What the address asks for.
    """

    def __init__(self, current: Current, selection: JobSelection, view: View) -> None:
        self.current = current
        self.selection = selection
        self.view = view
        self._table: ui.table | None = None

    def chosen(self) -> JobSelection:
        """Return the jobs that are ticked; none of them means none."""
        ticked = self._table.selected if self._table else []
        return JobSelection(db_ids=[row["db_id"] for row in ticked])

    def build(self) -> None:
        """Show the table."""
        columns = [
            {"name": name, "label": label, "field": name, "align": "left"}
            for name, label in COLUMNS.items()
        ]
        # The label of Quasar's table stands on its frame, which is no table for a screen reader.
        with ui.element("section").classes("card").props('aria-label="Jobs"'):
            self._problem = markup(Safe(""))
            self._table = ui.table(
                rows=[], columns=columns, row_key="db_id", selection="multiple", pagination=0
            ).props("flat dense hide-bottom wrap-cells")
            self._table.add_slot("header-selection", _CHOOSE_ALL)
            self._table.add_slot("body-selection", _CHOOSE_ONE)
            self._table.add_slot("body-cell-db_id", _ID_CELL)
            self._table.add_slot("body-cell-state", _STATE_CELL)
            self._pager = markup(Safe(""))
        ui.timer(LOOK_INTERVAL, self._look)

    def _read(self) -> list[dict[str, Any]]:
        return job_rows(self.current, self.selection, self.view.page)

    async def _look(self) -> None:
        assert self._table is not None  # noqa: S101 - built before the timer runs
        try:
            rows = await self.current.shared.get((job_rows, repr(self.view)), self._read)
        except JfceleryError as error:
            self._problem.content = Safe(f'<p class="error" role="alert">{text(error.message)}</p>')
            return
        if rows is None:  # the server ends
            return
        self._problem.content = "" if rows else Safe('<p class="soft">No job matches.</p>')
        if rows != self._table.rows:
            self._table.rows = rows
        pager = self.view.pager("/jobs", len(rows) == ROWS)
        if pager != self._pager.content:
            self._pager.content = pager


def flow_table(current: Current, view: View) -> Safe:
    """Return one page of flows."""
    states = [FlowState(s) for s in [view.params.get("state")] if s in set(FlowState)]
    chosen = FlowSelection(states=states, name=view.params.get("name"))
    found = find_flows(
        current.controller().queue,
        chosen.filter(),
        sort=[("updated_on", -1)],
        limit=ROWS,
        skip=view.page * ROWS,
    )
    rows = [
        (
            flow_link(flow.flow_id, flow.db_id or flow.flow_id[:8]),
            flow.name,
            badge(flow.state),
            bar({str(s): n for s, n in flow.counts.items()}, f"Progress of {flow.name}"),
            when(flow.updated_on),
        )
        for flow in found
    ]
    shown = table("Flows", ["Id", "Name", "State", "Jobs completed", "Changed"], rows)
    return Safe(shown + view.pager("/flows", len(found) == ROWS))
