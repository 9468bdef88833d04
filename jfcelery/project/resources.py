"""Check the resources of a job against what its worker's scheduler understands."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ResourcesError
from jfcelery.project.qresources import asks_for_nothing, grid_engine_options, qresources_of
from jfcelery.project.scheduler import scheduler_by_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.core.data_objects import QResources
    from qtoolkit.io.base import BaseSchedulerIO

    from jfcelery.project.worker import WorkerBase

#: A placeholder in qtoolkit's templates.
_PLACEHOLDER = re.compile(r"\$\$\{(\w+)\}")
#: Keys whose values are lines of the user's own.
_OF_LINES = ("qverbatim",)


def check_resources(
    worker: WorkerBase, resources: Mapping[str, Any] | QResources | None
) -> dict[str, Any]:
    """Check that a worker's scheduler understands some resources.

    Args:
        worker: The worker.
        resources: Keys of qtoolkit's template of the scheduler, or a ``QResources``, as object or
            serialised; None for nothing.

    Returns:
        The resources as keys of the template.

    Raises:
        ResourcesError: A key is unknown, a value has several lines, or the scheduler cannot have
            what a ``QResources`` asks.
    """
    if not resources:
        return {}
    scheduler = worker.get_scheduler_io() or scheduler_by_name("shell")
    options = _options(scheduler, worker.scheduler_name, resources)
    check_values(options)
    known = template_keys(scheduler)
    unknown = sorted(set(options) - known) if known else []
    if unknown:
        message = f"{worker.scheduler_name} does not know the resources {_quoted(unknown)}"
        raise ResourcesError(message, remedy=_remedy(unknown, known))
    return options


def check_values(options: Mapping[str, Any]) -> None:
    """Check that each value stays on its own line of a script's header.

    Raises:
        ResourcesError: A value would go on in the next line, where the shell runs it.
    """
    for key, value in options.items():
        if key not in _OF_LINES and re.search(r"[\n\r\0]", str(value)):
            remedy = f"Give lines of your own with {_OF_LINES[0]}."
            raise ResourcesError(f"the value of {key!r} has more than one line", remedy=remedy)


def template_keys(scheduler: BaseSchedulerIO) -> set[str]:
    """Return the keys of a scheduler's template; empty for one without a template."""
    return set(_PLACEHOLDER.findall(getattr(scheduler, "header_template", "")))


def _options(scheduler: BaseSchedulerIO, name: str, resources: Any) -> dict[str, Any]:
    asked = qresources_of(resources)
    if asked is None:
        return dict(resources)
    if asks_for_nothing(asked):
        return {}
    return grid_engine_options(asked) if name == "sge" else _converted(scheduler, asked)


def _converted(scheduler: BaseSchedulerIO, resources: QResources) -> dict[str, Any]:
    from qtoolkit.core.exceptions import UnsupportedResourcesError

    try:
        return dict(scheduler.check_convert_qresources(resources))
    except UnsupportedResourcesError as error:
        message = f"the scheduler cannot have these QResources: {error}"
        raise ResourcesError(message, remedy=_plain_keys(scheduler)) from None


def _plain_keys(scheduler: BaseSchedulerIO) -> str:
    return f"Give the keys of its template instead: {', '.join(sorted(template_keys(scheduler)))}."


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _remedy(unknown: list[str], known: set[str]) -> str:
    near = {name: get_close_matches(name, sorted(known), n=2, cutoff=0.65) for name in unknown}
    hints = [
        f"{' or '.join(map(repr, found))} for {name!r}" for name, found in near.items() if found
    ]
    if len(hints) == len(unknown):
        return f"Did you mean {', '.join(hints)}?"
    return f"It knows: {', '.join(sorted(known))}."
