"""The commands ``jfc admin …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_HERE = "jfcelery.cli.admin"

#: Commands of ``jfc admin``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "reset": Entry(f"{_HERE}.reset:reset", "Empty the queue."),
    "unlock": Entry(f"{_HERE}.unlock:unlock", "End the leases of jobs."),
    "unlock-flow": Entry(f"{_HERE}.unlock:unlock_flow", "End the leases of the jobs of flows."),
    "unlock-runner": Entry(f"{_HERE}.unlock:unlock_runner", "Not needed; kept for habit."),
    "upgrade": Entry(f"{_HERE}.upgrade:upgrade", "Bring the database to this version's layout."),
    "index": Entry(f"{_HERE}.index:index", "Create and rebuild indexes."),
    "import": Entry(f"{_HERE}.import_queue:import_queue", "Take over a queue of jobflow-remote."),
}


@click.group(cls=LazyGroup, name="admin", entries=COMMANDS)
def admin() -> None:
    """Look after the queue's database."""
