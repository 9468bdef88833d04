"""This machine: versions, folders and their permissions, the project file."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.tasks.doctor.finding import Finding, error, fine, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

#: Packages whose versions matter for what jfcelery does.
PACKAGES = ("jfcelery", "jobflow", "celery", "pymongo", "redis", "maggma", "qtoolkit", "fabric")
#: Bytes free below which the embedded services and logs are in danger, and below which they end.
LITTLE, TOO_LITTLE = 2 * 1024**3, 100 * 1024**2
_GIB = 1024**3


def versions(project: Project) -> Iterator[Finding]:
    """Yield the versions of Python and of the packages."""
    del project
    found = [f"{name} {number}" for name in PACKAGES if (number := package_version(name))]
    yield fine("versions", f"Python {platform.python_version()}, {', '.join(found)}")


def package_version(name: str) -> str:
    """Return the version of a package; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def folders(project: Project) -> Iterator[Finding]:
    """Yield whether the project's folders can be written, by whom, and how full the disk is."""
    for name in ("base_dir", "tmp_dir", "log_dir", "daemon_dir"):
        folder = Path(str(getattr(project, name)))
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            yield error(
                name,
                f"{folder} cannot be written by you",
                f"chown or chmod it, or set {name} in the project file to another folder.",
            )
        elif existing == folder and folder.stat().st_mode & stat.S_IWOTH:
            yield warning(name, f"{folder} can be written by everybody", f"chmod o-w {folder}")
    base = Path(str(project.base_dir))
    existing = next(parent for parent in (base, *base.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / _GIB:.1f} GB free below {base}"
    remedy = f"Make room on the disk of {base}, or move base_dir to another one."
    if free < TOO_LITTLE:
        yield error("disk", text, remedy)
    elif free < LITTLE:
        yield warning("disk", text, remedy)
    else:
        yield fine("disk", text)


def project_file(project: Project) -> Iterator[Finding]:
    """Yield remarks on the project's file, and who may read it."""
    from jfcelery.project import find_projects, notes

    for note in notes(project):
        text = f"{note.key}: {note.text}" if note.key else note.text
        yield warning("project file", text, "Change it in the project file.")
    yield from _readers(find_projects().get(project.name).path)


def _readers(path: Path) -> Iterator[Finding]:
    mode = path.stat().st_mode
    if mode & stat.S_IWOTH:
        yield error(
            "project file",
            f"{path} can be written by everybody, who could so run commands as you",
            f"chmod o-w {path}",
        )
    else:
        yield fine("project file", str(path))
