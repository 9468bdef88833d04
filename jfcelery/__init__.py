"""Run jobflow workflows on workstations and HPC clusters through Celery, Redis and MongoDB.

The names below are the public interface; each is imported when it is first used, so that
``import jfcelery`` costs nothing on a compute node or in the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from jfcelery.execution.current import CURRENT_JOBDOC
    from jfcelery.run_config import set_run_config
    from jfcelery.states import BatchState, FlowState, JobState
    from jfcelery.stores import get_jobstore
    from jfcelery.submission import submit_flow
    from jfcelery.wait import wait_for

__all__ = [
    "CURRENT_JOBDOC",
    "BatchState",
    "FlowState",
    "JobController",
    "JobState",
    "get_jobstore",
    "set_run_config",
    "submit_flow",
    "wait_for",
]

#: Public name: the module that has it.
_HOMES = {
    "CURRENT_JOBDOC": "jfcelery.execution.current",
    "BatchState": "jfcelery.states",
    "FlowState": "jfcelery.states",
    "JobController": "jfcelery.controller",
    "JobState": "jfcelery.states",
    "get_jobstore": "jfcelery.stores",
    "set_run_config": "jfcelery.run_config",
    "submit_flow": "jfcelery.submission",
    "wait_for": "jfcelery.wait",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("jfcelery")
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*globals(), *__all__])
