"""Actions on jobs for the API and the pages: previewed, confirmed, done, as the commands do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Manner
from jfcelery.controller.delete import Extent
from jfcelery.controller.properties import RunProperties
from jfcelery.controller.words import (
    WORDINGS,
    Wording,
    announcement,
    outcome,
    refusals,
    rerun_wording,
    set_wording,
)
from jfcelery.errors import InputError, StateError
from jfcelery.web.api.models import Outcome, Preview, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.controller import JobController
    from jfcelery.controller.bulk import Result
    from jfcelery.controller.filters import JobFilter
    from jfcelery.web.api.models import Act

#: What is said where no filter is given.
ALL_JOBS = "No filter is given, so these are all jobs of the project."


def preview(controller: JobController, act: Act) -> Preview:
    """Return what an action would touch; change nothing.

    Raises:
        JobNotFoundError: No job is selected.
        InputError: What the action needs is not given.
    """
    spoken, selected = wording(act), act.jobs.filter()
    docs = controller.actions.select(selected)
    warning = spoken.warning(docs)
    if selected.is_empty:
        warning = f"{ALL_JOBS}\n{warning}".strip()
    return Preview(
        text=announcement(spoken.verb, docs),
        warning=warning,
        number=len(docs),
        confirm=bool(warning),
    )


def perform(controller: JobController, act: Act) -> Outcome:
    """Do it.

    Raises:
        JobNotFoundError: No job is selected.
        InputError: What the action needs is not given.
        StateError: The number of jobs is not the expected one.
    """
    seen = preview(controller, act)
    if seen.confirm and act.expected is None:
        raise InputError(
            f"{seen.text}. {seen.warning}".replace("\n", " "),
            remedy=f"Confirm it with `expected`: {seen.number}.",
        )
    if act.expected is not None and act.expected != seen.number:
        raise StateError(
            f"{seen.number} jobs are selected now, {act.expected} were expected.",
            remedy="Look at the preview again.",
        )
    manner = Manner(wait=act.wait, break_lock=act.break_lock)
    result = _action(controller, act)(act.jobs.filter(), manner)
    return Outcome(
        text=[outcome(wording(act).done, result), *refusals(result)],
        changed=list(result.changed),
        refused=[Refused(db_id=r.db_id, reason=r.reason) for r in result.refused],
    )


def wording(act: Act) -> Wording:
    """Return how an action is spoken of, as the command line does."""
    if act.action == "rerun":
        return rerun_wording(force=act.force)
    if act.action == "set_priority":
        return set_wording(f"priority {_given(act.priority, 'priority')}")
    if act.action == "set_worker":
        return set_wording(f"worker {_given(act.worker, 'worker')}")
    if act.action == "set_resources":
        _given(act.resources, "resources")
        return set_wording("these resources beside its others")
    return WORDINGS[act.action]


def _action(controller: JobController, act: Act) -> Callable[[JobFilter, Manner], Result]:
    actions = controller.actions
    if act.action == "delete":
        extent = Extent(outputs=act.outputs, files=act.files)
        return lambda jobs, manner: actions.delete(jobs, manner, extent)
    if act.action == "rerun":
        return lambda jobs, manner: actions.rerun(jobs, manner, force=act.force)
    if act.action.startswith("set_"):
        wanted = RunProperties(
            priority=act.priority if act.action == "set_priority" else None,
            worker=act.worker if act.action == "set_worker" else None,
            resources=act.resources if act.action == "set_resources" else None,
        )
        return lambda jobs, manner: actions.set_properties(wanted, jobs, manner)
    simple: dict[str, Callable[[JobFilter, Manner], Result]] = {
        "pause": actions.pause,
        "resume": actions.resume,
        "retry": actions.retry,
        "stop": actions.stop,
    }
    return simple[act.action]


def _given(value: object, name: str) -> object:
    if value is None:
        raise InputError(f"set_{name} needs {name}.", remedy=f"Give `{name}` with it.")
    return value
