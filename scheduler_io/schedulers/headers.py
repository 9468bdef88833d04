"""Script headers, made by qtoolkit from a dict of its template's keys or from a ``QResources``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.errors import ResourcesError
from jfcelery.folders import RunFolder
from jfcelery.project.qresources import asks_for_nothing, qresources_of
from jfcelery.project.resources import check_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.core.data_objects import QResources
    from qtoolkit.io.base import BaseSchedulerIO

_REMEDY = "change the job's resources (`jfc job set resources`) and rerun it"


def as_options(
    io: BaseSchedulerIO, resources: Mapping[str, Any] | QResources | None
) -> dict[str, Any]:
    """Return resources as a dict of the template's keys, without those that are None.

    A ``QResources`` may be serialised, as the queue keeps it.

    Raises:
        ResourcesError: A ``QResources`` asks for what the scheduler cannot express, or is none.
    """
    asked = qresources_of(resources)
    if asked is None:
        plain: Any = resources or {}
        return {key: value for key, value in plain.items() if value is not None}
    if asks_for_nothing(asked):
        return {}
    return _converted(io, asked)


def _converted(io: BaseSchedulerIO, resources: QResources) -> dict[str, Any]:
    from qtoolkit.core.exceptions import UnsupportedResourcesError

    try:
        return dict(io.check_convert_qresources(resources))
    except (UnsupportedResourcesError, TypeError, ValueError) as error:
        raise ResourcesError(f"{type(io).__name__}: {error}", remedy=_REMEDY) from error


def own_options(options: Mapping[str, Any], name: str, **extra: str) -> dict[str, Any]:
    """Return options with what jfcelery itself sets.

    The job is found again by its unique name, its output by the file names; both are relative to
    the run folder, in which it is submitted.

    Raises:
        ResourcesError: The options ask for an array of jobs.
    """
    if options.get("array"):
        raise ResourcesError("an array would run one job several times", remedy=_REMEDY)
    files = {"qout_path": RunFolder.QUEUE_OUT, "qerr_path": RunFolder.QUEUE_ERR}
    return {**options, **files, "job_name": name, **extra}


def verbatim(options: Mapping[str, Any], line: str) -> dict[str, Any]:
    """Return options with one more line for the end of the header."""
    given = str(options.get("qverbatim") or "").rstrip()
    return {**options, "qverbatim": f"{given}\n{line}" if given else line}


def submission_script(io: BaseSchedulerIO, body: str, options: Mapping[str, Any]) -> str:
    """Return a script with its header.

    Raises:
        ResourcesError: An option is not in the template, or has more than one line.
    """
    check_values(options)
    try:
        return str(io.get_submission_script(body, dict(options)))
    except ValueError as error:
        raise ResourcesError(str(error), remedy=_REMEDY) from error
