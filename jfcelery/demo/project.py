"""The throwaway project of the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.project import load_file

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project

#: The project's name.
NAME = "demo"

TEXT = """\
# The project of `jfc demo`: database, broker and jobs' folders all lie beside this file.
name: {name}
workers:
  here:
    type: local
    scheduler_type: shell
    work_dir: {work_dir}
"""


def make_project(folder: Path) -> Project:
    """Write the project's file into a folder, and load it.

    Args:
        folder: An existing folder; everything that the demonstration makes goes there.

    Returns:
        The project: embedded services, one local worker.
    """
    path = folder / f"{NAME}.yaml"
    path.write_text(TEXT.format(name=NAME, work_dir=folder / "jobs"))
    return load_file(path)
