"""An archive for those who help: what an examination found, versions, logs, without secrets."""

from __future__ import annotations

import json
import os
import platform
import sys
import zipfile
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.errors import JfceleryError
from jfcelery.tasks.doctor.secrets import ReportRedactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.project import Project
    from jfcelery.tasks.doctor.finding import Finding

#: Bytes from the end of each log.
LOG_TAIL = 200_000
#: Logs of the archive; the newest.
MOST_LOGS = 40
#: Beginnings of the names of environment variables that matter.
_VARIABLES = ("JFCELERY_", "PATH", "PYTHON", "LANG", "LC_", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")


def write_report(project: Project, findings: Sequence[Finding], path: Path) -> list[str]:
    """Write a bug report, readable by its owner only; secrets in it are masked.

    Args:
        project: The project.
        findings: What the examination found.
        path: The archive (zip).

    Returns:
        The names of the files in it.
    """
    redact = ReportRedactor(project)
    names: list[str] = []
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, text in _contents(project, findings):
            archive.writestr(name, redact(text))
            names.append(name)
    return names


def _contents(project: Project, findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    yield "findings.json", _json([asdict(finding) for finding in findings])
    yield "machine.json", _json(_machine())
    yield "packages.txt", _packages()
    yield "project.json", _json(_described(project))
    yield "jobs.json", _json(_jobs(project))
    yield from _logs(project)


def _machine() -> dict[str, Any]:
    environment = {
        name: value
        for name, value in sorted(os.environ.items())
        if any(name.startswith(start) for start in _VARIABLES)
    }
    return {
        "system": platform.platform(),
        "python": sys.version,
        "executable": sys.executable,
        "cores": os.cpu_count(),
        "environment": environment,
    }


def _packages() -> str:
    found = {f"{one.metadata['Name']}=={one.version}" for one in distributions()}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def _described(project: Project) -> Any:
    from jfcelery.project.masking import masked

    return masked(project.model_dump(mode="json", exclude_none=True))


def _jobs(project: Project) -> Any:
    """Return how many jobs are in each state, and the classes of their errors; no names."""
    from jfcelery.controller import JobController
    from jfcelery.states import FlowState, JobState

    try:
        controller = JobController.from_project(project)
        classes: dict[str, int] = {}
        for raw in controller.get_jobs({"error_class": {"$ne": None}}, ["error_class"]):
            classes[raw["error_class"]] = classes.get(raw["error_class"], 0) + 1
        return {
            "jobs": controller.count_jobs_states(list(JobState)),
            "flows": controller.count_flows_states(list(FlowState)),
            "error_classes": classes,
        }
    except JfceleryError as error:
        return {"error": error.message}


def _logs(project: Project) -> Iterator[tuple[str, str]]:
    folder = Path(str(project.log_dir))
    files = [path for path in folder.rglob("*") if path.is_file() and ".log" in path.name]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:MOST_LOGS]:
        try:
            with path.open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - LOG_TAIL, 0))
                text = file.read().decode(errors="replace")
        except OSError as error:
            text = f"cannot be read: {error}\n"
        yield f"log/{path.relative_to(folder)}", text


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"
