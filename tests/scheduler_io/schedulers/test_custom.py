"""Any serialised ``BaseSchedulerIO``, and what of it is a known scheduler after all."""

from __future__ import annotations

from typing import Any

import pytest
from qtoolkit.core.data_objects import (
    CancelResult,
    QJob,
    QState,
    SubmissionResult,
    SubmissionStatus,
)
from qtoolkit.core.exceptions import CommandFailedError
from qtoolkit.io.base import BaseSchedulerIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import SchedulerDownError, UnknownNameError
from jfcelery.scheduler_io.schedulers import scheduler_for
from jfcelery.scheduler_io.schedulers.base import EndReason, Output, QueueState
from jfcelery.scheduler_io.schedulers.custom import Custom
from jfcelery.scheduler_io.schedulers.sge import GridEngine
from jfcelery.scheduler_io.schedulers.slurm import Slurm
from tests.scheduler_io.schedulers.workers import PlainWorker


class LineIO(BaseSchedulerIO):
    """A scheduler of a site's own: ``ID STATE NAME`` a line, strict as qtoolkit's are."""

    header_template = "#SITE name=$${job_name} out=$${qout_path} err=$${qerr_path} q=$${queue}"
    SUBMIT_CMD = "site-submit --quiet"
    CANCEL_CMD = "site-kill"
    job_id_regex = r"^S\d+$"

    def parse_submit_output(self, exit_code: int, stdout: Any, stderr: Any) -> SubmissionResult:
        """Read ``job S1``."""
        if exit_code or not stdout.startswith("job "):
            return SubmissionResult(status=SubmissionStatus("FAILED"), stderr=stderr)
        return SubmissionResult(job_id=stdout.split()[1], status=SubmissionStatus("SUCCESSFUL"))

    def parse_cancel_output(self, exit_code: int, stdout: Any, stderr: Any) -> CancelResult:
        """Read nothing."""
        return CancelResult(exit_code=exit_code, stdout=stdout, stderr=stderr)

    def _get_job_cmd(self, job_id: str) -> str:
        return f"site-show {job_id}"

    def parse_job_output(
        self, exit_code: int, stdout: Any, stderr: Any, job_id: str | None = None
    ) -> QJob | None:
        """Read one job."""
        return next(iter(self.parse_jobs_list_output(exit_code, stdout, stderr, [job_id or ""])))

    def _convert_qresources(self, resources: Any) -> dict[str, Any]:
        return {"queue": resources.queue_name}

    def _get_jobs_list_cmd(self, job_ids: list[str] | None = None, user: str | None = None) -> str:
        assert not job_ids
        return f"site-list --user {user}"

    def parse_jobs_list_output(
        self, exit_code: int, stdout: Any, stderr: Any, job_ids: list[str] | None = None
    ) -> list[QJob]:
        """Raise for the whole listing if one line is odd."""
        assert not job_ids
        if exit_code:
            raise CommandFailedError(stderr)
        rows = [line.split(maxsplit=2) for line in stdout.splitlines()]
        return [QJob(job_id=one, state=QState(two), name=three) for one, two, three in rows]


CUSTOM = Custom(LineIO())


def test_commands_are_the_objects_own() -> None:
    """Users and ids are put in by bash, so that nothing of them is quoted twice."""
    assert CUSTOM.submit_command("submit.sh") == "limit bash -c 'site-submit --quiet submit.sh'"
    assert 'site-list --user "$user"' in CUSTOM.list_command()
    assert 'site-kill "$id"' in CUSTOM.cancel_command()


def test_the_header_is_the_objects_own() -> None:
    """With jfcelery's name and file names in it."""
    script = CUSTOM.script("true", {"queue": "big"}, "jfc-x")
    assert script == "#!/bin/bash\n#SITE name=jfc-x out=queue.out err=queue.err q=big\ntrue"


def test_the_object_reads_ids() -> None:
    """What it cannot read is no id."""
    assert CUSTOM.parse_submit("job S12\n") == "S12"
    assert CUSTOM.parse_submit("oops") is None
    assert CUSTOM.parse_submit("job ") is None, "its parser raises"


def test_a_line_that_the_object_rejects_costs_one_answer() -> None:
    """The others are read line by line."""
    text = "S1 RUNNING jfc-a\nS2 DREAMING jfc-b\nS3 DONE jfc-c\nS4 FAILED jfc-d\nS5 QUEUED_HELD e\n"
    rows = CUSTOM.parse_list(Output(0, text)).rows
    assert {queue_id: row.state for queue_id, row in rows.items()} == {
        "S1": QueueState.RUNNING,
        "S3": QueueState.ENDED,
        "S4": QueueState.ENDED,
        "S5": QueueState.HELD,
    }
    assert rows["S3"].end is not None
    assert rows["S3"].end.reason is EndReason.COMPLETED
    assert rows["S3"].name == "jfc-c"


@pytest.mark.parametrize("output", [Output(1, "", "down"), Output(0, "complete garbage")])
def test_what_the_object_rejects_as_a_whole_is_no_listing(output: Output) -> None:
    """Failing commands and garbage are the scheduler's trouble."""
    with pytest.raises(SchedulerDownError):
        CUSTOM.parse_list(output)


class OtherHeader(SlurmIO):
    """Slurm with a site's own line in the header."""

    header_template_file = ""
    header_template = SlurmIO.header_template + "\n#SBATCH --reservation=us"
    SUBMIT_CMD = "sbatch --clusters=big"


class OtherListing(SlurmIO):
    """Something that resembles Slurm."""

    def _get_jobs_list_cmd(self, job_ids: list[str] | None = None, user: str | None = None) -> str:
        return f"myqueue {user} {job_ids}"


def test_a_known_scheduler_with_another_header_is_still_a_known_scheduler() -> None:
    """Its parsers, accounting and refusals apply."""
    found = scheduler_for(PlainWorker("custom", OtherHeader()))
    assert isinstance(found, Slurm)
    assert found.submit_command("submit.sh") == "limit sbatch --clusters=big submit.sh"
    assert "#SBATCH --reservation=us" in found.script("true", {}, "jfc-x")


def test_one_with_another_listing_is_not() -> None:
    """Only the object knows how to read it."""
    assert isinstance(scheduler_for(PlainWorker("custom", OtherListing())), Custom)
    assert isinstance(scheduler_for(PlainWorker("custom", LineIO())), Custom)


def test_names_give_the_known_schedulers() -> None:
    """With qtoolkit's object for the headers, whether or not the worker has one."""
    assert isinstance(scheduler_for(PlainWorker("sge", None)), GridEngine)
    with pytest.raises(UnknownNameError, match="use one of slurm"):
        scheduler_for(PlainWorker("lsf", None))
