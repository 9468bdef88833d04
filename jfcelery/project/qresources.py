"""``QResources`` of qtoolkit, as objects or serialised.

A serialised one is turned into the object by hand: it may come from the file that a worker left,
and monty's decoder would import, and call, whatever class that names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ResourcesError

if TYPE_CHECKING:
    from qtoolkit.core.data_objects import ProcessPlacement, QResources

_REMEDY = "Make it with QResources(...).as_dict()."
#: What monty adds to the arguments.
_MARKS = frozenset({"@module", "@class", "@version"})


def qresources_of(resources: object) -> QResources | None:
    """Return resources as a ``QResources`` if they are one, as an object or serialised.

    Raises:
        ResourcesError: They are a serialised one that is not qtoolkit's or cannot be read.
    """
    from qtoolkit.core.data_objects import QResources

    if isinstance(resources, QResources):
        return resources
    if not isinstance(resources, Mapping) or resources.get("@class") != "QResources":
        return None
    return _decoded(resources)


def asks_for_nothing(resources: QResources) -> bool:
    """Return whether nothing is set in a ``QResources``."""
    return not any(getattr(resources, field.name) for field in fields(resources))


def grid_engine_options(resources: QResources) -> dict[str, Any]:
    """Return a ``QResources`` as keys of qtoolkit's template for Grid Engine.

    qtoolkit's own conversion is PBS's (``-l select=...``), which Grid Engine refuses.

    Raises:
        ResourcesError: It asks for what Grid Engine cannot express: for more than one slot, say,
            where no parallel environment is named.
    """
    given = dict(resources.scheduler_kwargs or {})
    options: dict[str, Any] = {
        "queue": resources.queue_name,
        "priority": resources.priority,
        "mail_user": resources.email_address,
        "mail_type": "abe" if resources.email_address else None,
    }
    if resources.time_limit:
        options["walltime"] = str(int(resources.time_limit))
    if resources.rerunnable is not None:
        options["rerunnable"] = "y" if resources.rerunnable else "n"
    slots = _slots(resources)
    if slots > 1 and "model" not in given:
        raise ResourcesError(
            f"Grid Engine gives {slots} slots in a parallel environment only",
            remedy=f"name the site's: QResources(…, scheduler_kwargs={{'model': 'NAME {slots}'}})",
        )
    unfit = ("account", "qos", "gpus_per_job", "memory_per_thread", "project", "njobs")
    if wrong := [key for key in unfit if getattr(resources, key)]:
        raise ResourcesError(
            f"Grid Engine has no common way to ask for {', '.join(wrong)}",
            remedy="give the site's own request: scheduler_kwargs={'select': 'mem_free=4G'}",
        )
    return {key: value for key, value in {**options, **given}.items() if value is not None}


def _slots(resources: QResources) -> int:
    from qtoolkit.core.exceptions import UnsupportedResourcesError

    try:
        nodes, processes, per_node = resources.get_processes_distribution()
    except UnsupportedResourcesError as error:
        raise ResourcesError(str(error), remedy="Correct the QResources.") from error
    together = processes or (nodes or 1) * (per_node or 1)
    return int(together * (resources.threads_per_process or 1))


def _decoded(resources: Mapping[str, Any]) -> QResources:
    from qtoolkit.core.data_objects import QResources
    from qtoolkit.core.exceptions import UnsupportedResourcesError

    _check_module(resources, QResources, "@module")
    plain = {key: value for key, value in resources.items() if key not in _MARKS}
    placement = _placement(plain.pop("process_placement", None))
    _check_plain(plain)
    try:
        return QResources(**plain, process_placement=placement)
    except (TypeError, ValueError, UnsupportedResourcesError) as error:
        message = f"the serialised QResources cannot be read: {error}"
        raise ResourcesError(message, remedy=_REMEDY) from None


def _placement(value: object) -> ProcessPlacement | None:
    from qtoolkit.core.data_objects import ProcessPlacement

    if value is None or isinstance(value, ProcessPlacement):
        return value
    if isinstance(value, Mapping):
        _check_module(value, ProcessPlacement, "process_placement: @module")
        value = value.get("value")
    try:
        return ProcessPlacement(value)
    except ValueError as error:
        message = f"the serialised QResources cannot be read: process_placement: {error}"
        raise ResourcesError(message, remedy=_REMEDY) from None


def _check_module(value: Mapping[str, Any], wanted: type, key: str) -> None:
    if (value.get("@module"), value.get("@class")) != (wanted.__module__, wanted.__name__):
        named = f"{value.get('@module')}.{value.get('@class')}"
        message = f"the serialised QResources cannot be read: {key} makes it {named!r}"
        message = f"{message}, which is not qtoolkit's {wanted.__name__}"
        raise ResourcesError(message, remedy=_REMEDY)


def _check_plain(values: Mapping[str, Any]) -> None:
    """Raise ResourcesError if an object is serialised in the arguments."""
    stack: list[tuple[str, object]] = [(str(key), value) for key, value in values.items()]
    while stack:
        name, item = stack.pop()
        if isinstance(item, Mapping):
            if "@class" in item or "@module" in item:
                message = f"the serialised QResources cannot be read: {name} holds an object"
                raise ResourcesError(message, remedy=_REMEDY)
            stack += [(f"{name}.{key}", inner) for key, inner in item.items()]
        elif isinstance(item, list | tuple):
            stack += [(f"{name}.{at}", inner) for at, inner in enumerate(item)]
