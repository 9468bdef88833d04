"""The commands ``jfc job …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_HERE = "jfcelery.cli.job"

#: Commands of ``jfc job``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry(f"{_HERE}.list:list_jobs", "List jobs."),
    "info": Entry(f"{_HERE}.info:info", "Show all that is known of one job."),
    "why": Entry(f"{_HERE}.why:why", "Say why a job is where it is."),
    "history": Entry(f"{_HERE}.history:history", "Show every change of a job's state."),
    "output": Entry(f"{_HERE}.output:output", "Show the output of a job."),
    "queue-out": Entry(f"{_HERE}.queue_out:queue_out", "Show stdout and stderr of a job."),
    "logs": Entry(f"{_HERE}.logs:logs", "Show what a job writes, while it runs or afterwards."),
    "files": Entry(f"{_HERE}.files:files", "Look at files of a run folder, copy or remove them."),
    "todir": Entry(f"{_HERE}.todir:todir", "Open a shell in a run folder."),
    "dump": Entry(f"{_HERE}.dump:dump", "Write documents of jobs to a file."),
    "submit-script": Entry(
        f"{_HERE}.submit_script:submit_script", "Print the submission script of a job."
    ),
    "report": Entry(f"{_HERE}.report:report", "Count jobs, show how they went, what they took."),
    "pause": Entry(f"{_HERE}.pause:pause", "Keep jobs from starting."),
    "resume": Entry(f"{_HERE}.resume:resume", "Let paused and stopped jobs go on."),
    "play": Entry(f"{_HERE}.resume:resume", "The same as resume.", hidden=True),
    "retry": Entry(f"{_HERE}.retry:retry", "Try again the step at which jobs failed."),
    "rerun": Entry(f"{_HERE}.rerun:rerun", "Run jobs again from their beginning."),
    "stop": Entry(f"{_HERE}.stop:stop", "Stop jobs, and remove them from their queues."),
    "delete": Entry(f"{_HERE}.delete:delete", "Delete jobs."),
    "set-state": Entry(f"{_HERE}.set_state:set_state", "Set the state of jobs by hand."),
    "set": Entry(f"{_HERE}.set:set_", "Set where and how jobs run."),
}


@click.group(cls=LazyGroup, name="job", entries=COMMANDS)
def job() -> None:
    """Look at jobs and change them."""
