"""What a person does with jobs, flows and projects; the command line is a thin coat over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jfcelery.controller.controller import JobController

__all__ = ["JobController"]


def __getattr__(name: str) -> Any:
    """Import the controller, and the database's driver with it, only when it is asked for."""
    if name == "JobController":
        from jfcelery.controller.controller import JobController

        return JobController
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
