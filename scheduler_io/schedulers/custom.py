"""Any serialised ``BaseSchedulerIO``, through its own methods.

They are handed what they expect, and what they cannot read costs no more than the answer for the
jobs that they cannot read.
"""

from __future__ import annotations

import copy
import shlex
from typing import TYPE_CHECKING, Any

from jfcelery.errors import SchedulerDownError
from jfcelery.scheduler_io.schedulers.base import (
    EndReason,
    EndReport,
    Listing,
    Output,
    QueueState,
    Row,
    Scheduler,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtoolkit.core.data_objects import QJob
    from qtoolkit.io.base import BaseSchedulerIO

#: qtoolkit's states, https://matgenix.github.io/qtoolkit/api/qtoolkit.core.data_objects.html.
STATES: dict[str, QueueState | EndReason] = {
    "UNDETERMINED": QueueState.UNKNOWN,
    "QUEUED": QueueState.QUEUED,
    "QUEUED_HELD": QueueState.HELD,
    "RUNNING": QueueState.RUNNING,
    "SUSPENDED": QueueState.SUSPENDED,
    "REQUEUED": QueueState.QUEUED,
    "REQUEUED_HELD": QueueState.HELD,
    "DONE": EndReason.COMPLETED,
    "FAILED": EndReason.FAILED,
}

#: Stand in commands for what bash puts there.
_USER, _ID = "JFCUSER", "JFCID"


class Custom(Scheduler):
    """A scheduler that only its qtoolkit object knows.

    Args:
        io: The object.
    """

    name = "custom"
    id_variable = ""

    def __init__(self, io: BaseSchedulerIO) -> None:
        super().__init__(io)
        self._commands = copy.copy(io)
        self._commands.check_job_ids = False

    def submit_command(self, script: str) -> str:
        """Return the command that submits a script."""
        return f"limit bash -c {shlex.quote(self.io.get_submit_cmd(script))}"

    def parse_submit(self, stdout: str) -> str | None:
        """Return the id that the object reads."""
        try:
            result = self.io.parse_submit_output(0, stdout, "")
        except Exception:  # noqa: BLE001 - the object is the user's own
            return None
        return str(result.job_id).strip() if result.job_id else None

    def list_command(self) -> str:
        """Return the command that lists the user's jobs."""
        command = self._commands.get_jobs_list_cmd(None, _USER)
        return f"list() {{ {_filled(command, _USER, '$user')}; }}"

    def cancel_command(self) -> str:
        """Return the command that cancels jobs one by one."""
        command = _filled(self._commands.get_cancel_cmd(_ID), _ID, "$id")
        return f'cancel() {{ local id; for id in "${{ids[@]}}"; do {command}; done; return 0; }}'

    def parse_list(self, output: Output) -> Listing:
        """Read a listing with the object; if that fails, line by line."""
        try:
            jobs = self._parsed(output.exit_code, output.stdout, output.stderr)
        except Exception as error:
            jobs = [] if output.exit_code else list(self._by_line(output.stdout))
            if not jobs:
                message = f"the queue cannot be listed: {str(error) or output.text}"
                raise SchedulerDownError(" ".join(message.split())[:500]) from error
        return Listing({row.queue_id: row for row in map(_row, jobs) if row.queue_id})

    def _parsed(self, exit_code: int, stdout: str, stderr: str) -> list[QJob]:
        return list(self.io.parse_jobs_list_output(exit_code, stdout, stderr))

    def _by_line(self, text: str) -> Iterator[QJob]:
        """Give the jobs of the lines that can be read, alone or below the first one."""
        lines = text.splitlines()
        for line in lines:
            for part in (line, f"{lines[0]}\n{line}"):
                try:
                    jobs = self._parsed(0, part, "")
                except Exception:  # noqa: BLE001, S112 - one bad line costs one job's answer
                    continue
                yield from jobs
                break


def _filled(command: str, placeholder: str, variable: str) -> str:
    """Put a bash variable where a command has a placeholder."""
    return str(command).replace(placeholder, f'"{variable}"')


def _row(job: Any) -> Row:
    """Return the row of a job."""
    queue_id = str(job.job_id or "").strip()
    word = str(getattr(job.state, "value", job.state))
    detail = str(getattr(job.sub_state, "value", job.sub_state) or "")
    words = f"{word} ({detail})" if detail and detail != word else word
    meaning = STATES.get(word, QueueState.UNKNOWN)
    name = str(job.name or "")
    if isinstance(meaning, EndReason):
        code = job.exit_status if isinstance(job.exit_status, int) else None
        return Row(queue_id, QueueState.ENDED, words, name, EndReport(meaning, code, words=words))
    return Row(queue_id, meaning, words, name)
