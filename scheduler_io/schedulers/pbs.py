"""PBS Professional, OpenPBS and Torque, told apart on the host by ``qstat --version``.

The manuals are at https://help.altair.com/2022.1.0/PBS%20Professional/PBSReferenceGuide2022.1.pdf
(chapters 2.57 qstat, 8 states, 10 exit status) and at
https://docs.adaptivecomputing.com/torque/6-1-2/adminGuide/help.htm (job exit status).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from jfcelery.errors import (
    BackPressureError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.scheduler_io.schedulers.base import (
    EndReason,
    EndReport,
    Listing,
    Output,
    QueueState,
    Row,
    Scheduler,
)
from jfcelery.scheduler_io.schedulers.headers import own_options, submission_script, verbatim
from jfcelery.scheduler_io.schedulers.proof import signal_of
from jfcelery.scheduler_io.schedulers.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.core.data_objects import QResources

#: What each letter means; C is Torque's, F and X are PBS Professional's.
STATES: dict[str, QueueState] = {
    "B": QueueState.RUNNING,
    "C": QueueState.ENDED,
    "E": QueueState.RUNNING,
    "F": QueueState.ENDED,
    "H": QueueState.HELD,
    "M": QueueState.QUEUED,
    "Q": QueueState.QUEUED,
    "R": QueueState.RUNNING,
    "S": QueueState.SUSPENDED,
    "T": QueueState.QUEUED,
    "U": QueueState.SUSPENDED,
    "W": QueueState.QUEUED,
    "X": QueueState.ENDED,
}

#: ``Exit_status`` of PBS Professional below zero (src/include/job.h of OpenPBS).
PROFESSIONAL: dict[int, EndReason] = {
    -3: EndReason.NODE_FAIL,
    -4: EndReason.NODE_FAIL,
    -5: EndReason.NODE_FAIL,
    -6: EndReason.NODE_FAIL,
    -11: EndReason.PREEMPTED,
    -12: EndReason.PREEMPTED,
    -14: EndReason.NODE_FAIL,
    -20: EndReason.NODE_FAIL,
    -24: EndReason.FAILED,
    -26: EndReason.OUT_OF_MEMORY,
    -27: EndReason.OUT_OF_MEMORY,
    -28: EndReason.TIMEOUT,
    -29: EndReason.TIMEOUT,
}
#: ``exit_status`` of Torque below zero (src/include/pbs_job.h).
TORQUE: dict[int, EndReason] = {
    -3: EndReason.NODE_FAIL,
    -4: EndReason.NODE_FAIL,
    -5: EndReason.NODE_FAIL,
    -6: EndReason.NODE_FAIL,
    -10: EndReason.OUT_OF_MEMORY,
    -11: EndReason.TIMEOUT,
    -12: EndReason.TIMEOUT,
}
#: An exit status above this is this plus the signal.
KILLED_BASE = 256
#: Sub-state of a job that was deleted, in PBS Professional's history.
TERMINATED = "91"

# Jobs are asked for by their ids: the full listing cannot be had by user. -x adds the finished ones
# of PBS Professional's history; in Torque, which keeps finished jobs for a while, it means XML.
_LIST = """
list() {
  local options=-f
  case $(limit qstat --version 2>&1) in *pbs_version* | *PBSPro*) options='-f -x' ;; esac
  chunks qstat $options
}
"""

_LOOKUP = """
lookup() {
  ids=($(limit qselect -N "$name")) || return
  [ "${#ids[@]}" = 0 ] || list
}
"""

_ACCOUNT = """
account() { list; }
"""

_CANCEL = """
cancel() { chunks qdel; }
"""

_COUNT = """
count() { limit qselect -u "$1" ${2:+-q "$2"} -s EHQRSTUW | wc -l; }
"""

_ID = re.compile(r"^(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)\s*$", re.MULTILINE)
_UNKNOWN = re.compile(
    r"Unknown Job Id(?: Error)? (\S+)|^qstat: (\S+) Job has finished", re.MULTILINE
)
_JOB = re.compile(r"^\s*Job Id: *", re.MULTILINE)
_FIELD = re.compile(r"^ {4}([\w.]+) = (.*)$")
#: What goes on from the line before; some terminals made blanks of the tab.
_MORE = ("\t", " " * 8)
_TIME = re.compile(r"(\d+):(\d\d):(\d\d)")
_KILLED = re.compile(r"PBS: job killed: (.*)")


class Pbs(Scheduler):
    """PBS Professional and Torque."""

    name = "pbs"
    id_variable = "PBS_JOBID"

    #: Messages of https://github.com/openpbs/openpbs/blob/master/src/lib/Liblog/pbs_messages.c and
    #: https://github.com/adaptivecomputing/torque/blob/master/src/include/pbs_error_db.h.
    refusals: ClassVar[tuple[Refusal, ...]] = (
        Refusal(
            r"cannot connect to|could not connect|communication failure"
            r"|connection (?:refused|table)|end of file|shutting down|no free connections"
            r"|no default server|time out|unable to authenticate|premature end|socket",
            SchedulerDownError,
        ),
        Refusal(
            r"would exceed|maximum number of jobs|queue is not (?:enabled|started)"
            r"|resource temporarily unavailable|too many submit retries|server busy",
            BackPressureError,
        ),
        Refusal(
            r"unauthorized request|access to queue is denied|bad [ug]id", SubmissionRejectedError
        ),
        Refusal(
            r"unknown (?:queue|resource|node)|illegal|resource limits|exceeds|invalid"
            r"|rejected by all possible|no default queue|cannot be used with|duplicated resource"
            r"|no such|project",
            ResourcesError,
        ),
    )

    def script(self, body: str, resources: Mapping[str, Any] | QResources | None, name: str) -> str:
        """Return a submission script, for bash: PBS would take the login shell."""
        options = verbatim(self.options(resources), "#PBS -S /bin/bash")
        return submission_script(self.io, body, own_options(options, name))

    def parse_submit(self, stdout: str) -> str | None:
        """Return the id in qsub's answer: a line of its own, the last one."""
        found = _ID.findall(stdout)
        return str(found[-1]) if found else None

    def list_command(self) -> str:
        """Return the command that lists jobs by id."""
        return _LIST

    def lookup_command(self) -> str:
        """Return the command that lists the jobs of a name."""
        return _LOOKUP

    def count_command(self) -> str:
        """Return the command that counts jobs."""
        return _COUNT

    def parse_list(self, output: Output) -> Listing:
        """Read qstat's answer; ids that it calls unknown are not in the queue."""
        found = (_row(part) for part in _JOB.split(output.stdout)[1:])
        rows = {row.queue_id: row for row in found if row}
        unknown = frozenset(one or other for one, other in _UNKNOWN.findall(output.stderr))
        if not rows and not unknown and (output.exit_code or output.text):
            raise SchedulerDownError(f"qstat failed ({output.exit_code}): {output.text}")
        return Listing(rows, unknown)

    def cancel_command(self) -> str:
        """Return the command that cancels jobs."""
        return _CANCEL

    def accounting_command(self) -> str:
        """Return the command that lists finished jobs too, as the listing does."""
        return _LIST + _ACCOUNT

    def parse_accounting(self, output: Output) -> dict[str, EndReport]:
        """Read how jobs ended."""
        found = (_row(part) for part in _JOB.split(output.stdout)[1:])
        return {row.queue_id: row.end for row in found if row and row.end}

    def read_stderr(self, text: str) -> EndReport | None:
        """Read what the execution daemon writes when it ends a job."""
        found = _KILLED.search(text)
        if not found:
            return None
        words = found[1].strip()
        if re.match(r"walltime|cput", words):
            return EndReport(EndReason.TIMEOUT, words=words)
        if re.match(r"p?v?mem|rss", words):
            return EndReport(EndReason.OUT_OF_MEMORY, words=words)
        return EndReport(EndReason.FAILED, words=words)


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a job; other lines belong to the value of an environment variable."""
    fields: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if found := _FIELD.match(line):
            last = found[1]
            fields[last] = found[2]
        elif line.startswith(_MORE) and last:
            fields[last] += line.strip()
    return fields


def _row(part: str) -> Row | None:
    """Return the row of a job, which begins with its id."""
    queue_id, _, text = part.partition("\n")
    fields = fields_of(text)
    letter = fields.get("job_state", "")
    if not queue_id.strip() or not letter:
        return None
    state = STATES.get(letter, QueueState.UNKNOWN)
    comment = fields.get("comment", "")
    words = f"{letter} ({comment})" if comment else letter
    end = _report(fields, words) if state is QueueState.ENDED else None
    return Row(queue_id.strip(), state, words, fields.get("Job_Name", ""), end)


def _report(fields: dict[str, str], words: str) -> EndReport:
    """Return how a finished job ended."""
    deleted = fields.get("substate") == TERMINATED
    table = PROFESSIONAL if "Exit_status" in fields else TORQUE
    status = fields.get("Exit_status", fields.get("exit_status", ""))
    if not re.fullmatch(r"-?\d+", status):
        return EndReport(EndReason.CANCELLED if deleted else EndReason.UNKNOWN, words=words)
    code = int(status)
    said = f"{words}, exit status {status}"
    if code < 0:
        return EndReport(table.get(code, EndReason.FAILED), words=said)
    sent = code - KILLED_BASE if code > KILLED_BASE else signal_of(code)
    exit_code = code if code <= KILLED_BASE else None
    if deleted:
        return EndReport(EndReason.CANCELLED, exit_code, sent, said)
    if sent and _is_over_time(fields):
        return EndReport(EndReason.TIMEOUT, exit_code, sent, said)
    if sent:
        return EndReport(EndReason.UNKNOWN, exit_code, sent, said)
    return EndReport(EndReason.FAILED if code else EndReason.COMPLETED, code, words=said)


def _is_over_time(fields: dict[str, str]) -> bool:
    """Return whether a job took longer than it was to: many a PBS says no more of it than that."""
    used, most = (
        _TIME.fullmatch(fields.get(f"{kind}.walltime", ""))
        for kind in ("resources_used", "Resource_List")
    )
    return used is not None and most is not None and _seconds(used) >= _seconds(most)


def _seconds(found: re.Match[str]) -> int:
    hours, minutes, seconds = map(int, found.groups())
    return (hours * 60 + minutes) * 60 + seconds
