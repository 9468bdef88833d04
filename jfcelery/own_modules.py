"""Functions that lie beside a submitted file: jobs on this machine find them there.

A module that is installed nowhere can be imported where its folder is on ``PYTHONPATH``. The folder
of a file that `jfc submit` reads goes there by itself, for all flows of that file: the one that is
submitted, those that the file submits when it is run, and those that its jobs submit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.execution.current import CURRENT_JOBDOC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobflow import Flow, Job

    from jfcelery.project import Project

#: Where modules are searched for, beside those that are installed.
VARIABLE = "PYTHONPATH"
#: Folders of the files that this process read flows from.
_read: list[Path] = []


def note_folder(folder: Path) -> None:
    """Note the folder of a file from which this process reads flows."""
    if folder not in _read:
        _read.append(folder)


def with_own_modules(
    project: Project, flow: Flow, worker: str | None, exec_config: str | dict[str, Any] | None
) -> str | dict[str, Any] | None:
    """Return the execution configuration by which jobs of this machine find their functions.

    Args:
        project: The project.
        flow: The flow that is submitted.
        worker: On which its jobs run; those of another machine have no such folder.
        exec_config: Of the jobs that name none.
    """
    folders = _folders_of(flow)
    if not folders or not project.get_worker(worker).is_local:
        return exec_config
    config = exec_config if isinstance(exec_config, dict) else {}
    if isinstance(exec_config, str):
        found = project.get_exec_config(exec_config)
        config = found.model_dump(mode="json", exclude_none=True)
    export = dict(config.get("export") or {})
    parts = [*folders, *str(export.get(VARIABLE) or "").split(os.pathsep)]
    export[VARIABLE] = os.pathsep.join(dict.fromkeys(part for part in parts if part))
    return {**config, "export": export}


def _folders_of(flow: Flow) -> list[str]:
    """Return the noted folders in which modules of a flow's functions lie."""
    places = [*_read]
    if CURRENT_JOBDOC.job_doc is not None:  # a job that submits: what it was given itself
        places += [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    if not places:
        return []
    # A flow may have a hundred thousand jobs, and has functions of a few modules.
    modules = {str(getattr(job.function, "__module__", "")) for job in jobs_of(flow)}
    used = {_folder_of(module) for module in modules}
    return [str(place) for place in dict.fromkeys(places) if place in used]


def _folder_of(module: str) -> Path | None:
    """Return the folder of the outermost package of a module, or of the module itself."""
    path = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None)
    if not path:
        return None
    file = Path(path).absolute()
    return file.parent.parent if file.name == "__init__.py" else file.parent


def jobs_of(flow: Flow) -> Iterator[Job]:
    """Yield the jobs of a flow, of the flows in it as well."""
    from jobflow import Flow

    for item in flow.jobs:
        if isinstance(item, Flow):
            yield from jobs_of(item)
        else:
            yield item
