"""The commands ``jfc project …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_HERE = "jfcelery.cli.project"

#: Commands of ``jfc project``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry(f"{_HERE}.list:list_projects", "List the projects."),
    "generate": Entry(f"{_HERE}.generate:generate", "Write the file of a new project."),
    "import": Entry(
        f"{_HERE}.import_file:import_file", "Take over a project file of jobflow-remote."
    ),
    "check": Entry(f"{_HERE}.check:check", "Try whether everything that a project names works."),
    "check-conflicts": Entry(
        f"{_HERE}.conflicts:check_conflicts", "Look for what projects must not share."
    ),
    "remove": Entry(f"{_HERE}.remove:remove", "Remove a project."),
    "edit": Entry(f"{_HERE}.edit:edit", "Change project files."),
    "exec_config": Entry(f"{_HERE}.exec_config:exec_config", "Look at execution configurations."),
    "worker": Entry("jfcelery.cli.worker:worker", "Look at workers, and try them out."),
}


@click.group(cls=LazyGroup, name="project", entries=COMMANDS)
def project() -> None:
    """Look at projects, make and check them."""
