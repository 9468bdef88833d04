"""The scheduler of a worker: a known name, or a serialised qtoolkit object."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ProjectInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.io.base import BaseSchedulerIO

#: Schedulers known by name: the class of qtoolkit behind each.
SCHEDULERS = {"slurm": "SlurmIO", "pbs": "PBSIO", "sge": "SGEIO", "shell": "ShellIO"}
#: What to write instead of something that is no scheduler.
REMEDY = f"use one of {', '.join(SCHEDULERS)}, or a serialised qtoolkit BaseSchedulerIO"


def check_scheduler_type(value: str | dict[str, Any]) -> str | dict[str, Any]:
    """Check that a ``scheduler_type`` names a scheduler.

    Raises:
        ValueError: It does not; the text says what would.
    """
    if isinstance(value, dict):
        decode_scheduler(value)
    elif value not in SCHEDULERS:
        near = get_close_matches(value.lower(), SCHEDULERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        msg = f"unknown scheduler {value!r}; {hint}{REMEDY}"
        raise ValueError(msg)
    return value


def decode_scheduler(spec: Mapping[str, Any]) -> BaseSchedulerIO:
    """Turn a serialised scheduler into an object.

    Raises:
        ValueError: It cannot be decoded, or is no ``BaseSchedulerIO``.
    """
    from monty.json import MontyDecoder
    from qtoolkit.io.base import BaseSchedulerIO

    name = f"{spec.get('@module', '?')}.{spec.get('@class', '?')}"
    try:
        decoded = MontyDecoder().process_decoded(dict(spec))
    # The class is the user's own: whatever its constructor raises means the same here.
    except Exception as error:
        msg = f"cannot make a scheduler of {name} ({type(error).__name__}: {error}); {REMEDY}"
        raise ValueError(msg) from error
    if isinstance(decoded, dict):  # monty leaves what it cannot import as it is
        msg = f"cannot import {name}; install its package here, or {REMEDY}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueErrors only
    if not isinstance(decoded, BaseSchedulerIO):
        msg = f"{name} is no scheduler; {REMEDY}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueErrors only
    return decoded


def scheduler_by_name(name: str) -> BaseSchedulerIO:
    """Return a new qtoolkit object for a scheduler known by name.

    Raises:
        ProjectInvalidError: There is no such scheduler.
    """
    from qtoolkit.io import scheduler_mapping

    if name not in SCHEDULERS:
        msg = f"unknown scheduler {name!r}"
        raise ProjectInvalidError(msg, remedy=REMEDY)
    scheduler: BaseSchedulerIO = scheduler_mapping[name]()
    return scheduler


def scheduler_name(value: str | Mapping[str, Any]) -> str:
    """Return ``slurm``, ``pbs``, ``sge``, ``shell`` or ``custom`` for a ``scheduler_type``."""
    if isinstance(value, str):
        return value
    module, wanted = str(value.get("@module", "")), value.get("@class")
    if module.startswith("qtoolkit."):
        for name, class_name in SCHEDULERS.items():
            if wanted == class_name:
                return name
    return "custom"
