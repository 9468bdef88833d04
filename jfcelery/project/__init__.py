"""Projects: what their files say, checked, with everything that follows from it.

Importing this package is quick: maggma, jobflow, pymongo and qtoolkit are loaded when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jfcelery.project.batch import BatchConfig
from jfcelery.project.broker import BrokerConfig
from jfcelery.project.connection import ConnectionData
from jfcelery.project.exec_config import ExecutionConfig
from jfcelery.project.finding import ProjectFile, Projects, find_projects, load_project
from jfcelery.project.loading import load_file
from jfcelery.project.model import LogLevel
from jfcelery.project.mongo import MongoTarget
from jfcelery.project.problems import Problem, ProjectFileError
from jfcelery.project.project import Project
from jfcelery.project.queue import QueueConfig
from jfcelery.project.runner import RunnerOptions
from jfcelery.project.worker import (
    BaseRemoteWorker,
    LocalWorker,
    RemoteWorker,
    SeparatedTransferWorker,
    Worker,
    WorkerBase,
    connection_data,
)

if TYPE_CHECKING:
    from jfcelery.project.conflicts import Conflict, check_conflicts
    from jfcelery.project.editing import (
        Replacement,
        create_project,
        folders_of,
        remove_project,
        replace_text,
        save_project,
    )
    from jfcelery.project.generation import generate
    from jfcelery.project.remarks import notes
    from jfcelery.project.resources import check_resources

#: Names that few processes need, and their modules, which are loaded when asked for.
_LATER = {
    "Conflict": "conflicts",
    "check_conflicts": "conflicts",
    "Replacement": "editing",
    "create_project": "editing",
    "folders_of": "editing",
    "remove_project": "editing",
    "replace_text": "editing",
    "save_project": "editing",
    "generate": "generation",
    "notes": "remarks",
    "check_resources": "resources",
}

__all__ = [
    "BaseRemoteWorker",
    "BatchConfig",
    "BrokerConfig",
    "Conflict",
    "ConnectionData",
    "ExecutionConfig",
    "LocalWorker",
    "LogLevel",
    "MongoTarget",
    "Problem",
    "Project",
    "ProjectFile",
    "ProjectFileError",
    "Projects",
    "QueueConfig",
    "RemoteWorker",
    "Replacement",
    "RunnerOptions",
    "SeparatedTransferWorker",
    "Worker",
    "WorkerBase",
    "check_conflicts",
    "check_resources",
    "connection_data",
    "create_project",
    "find_projects",
    "folders_of",
    "generate",
    "load_file",
    "load_project",
    "notes",
    "remove_project",
    "replace_text",
    "save_project",
]


def __getattr__(name: str) -> Any:
    """Load what few processes need."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
