"""Step 4: the outputs, brought back and checked."""

from __future__ import annotations

from jfcelery.states import JobState
from jfcelery.tasks.outputs import fetch, outcome_of
from jfcelery.tasks.step import Commit, Step, Work


def download_body(work: Work) -> Commit:
    """Fetch the outputs; a job that left none becomes REMOTE_ERROR with the true reason."""
    folder = fetch(work)
    outcome_of(work, folder)
    work.runtime.host_records.went_well(work.worker.host_key)
    return downloaded()


def downloaded() -> Commit:
    """Return what the step achieved once the outputs are on this machine."""
    return Commit("download", JobState.DOWNLOADED)


download = Step("download", JobState.RUN_FINISHED, download_body)
