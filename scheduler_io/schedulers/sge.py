"""Grid Engine: Sun's, Oracle's, Univa's and the free ones.

The manuals are at https://manpages.debian.org/bookworm/gridengine-client/qstat.1.en.html,
.../qacct.1.en.html and .../gridengine-common/sge_status.5.en.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree as ET

from jfcelery.errors import BackPressureError, ResourcesError, SchedulerDownError
from jfcelery.project.qresources import grid_engine_options, qresources_of
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

#: What each letter of a state means, the first that is there counts (sge_status(5)). ``E``: an
#: error put the job on hold for a person. ``d`` is being deleted, and so not yet gone.
STATES: dict[str, QueueState] = {
    "E": QueueState.HELD,
    "h": QueueState.HELD,
    "s": QueueState.SUSPENDED,
    "S": QueueState.SUSPENDED,
    "T": QueueState.SUSPENDED,
    "N": QueueState.SUSPENDED,
    "P": QueueState.SUSPENDED,
    "r": QueueState.RUNNING,
    "t": QueueState.RUNNING,
    "x": QueueState.RUNNING,
    "w": QueueState.QUEUED,
    "q": QueueState.QUEUED,
    "R": QueueState.QUEUED,
    "d": QueueState.RUNNING,
    "z": QueueState.ENDED,
}

#: Numbers of qacct's ``failed`` that say more than that the job failed (sge_status(5)).
FAILURES: dict[int, EndReason] = {
    24: EndReason.PREEMPTED,  # migrating
    25: EndReason.PREEMPTED,  # rescheduling
    37: EndReason.TIMEOUT,  # over h_rt, h_cpu, s_rt, s_cpu, or h_vmem or s_vmem: see the words
    38: EndReason.PREEMPTED,  # adding its group id failed: tried elsewhere
    44: EndReason.NODE_FAIL,  # the execution daemon went away
}
#: ``failed`` of a job that was ended by a signal.
BY_SIGNAL = 100
#: SIGXCPU and SIGUSR1 tell a job that its time is over (``s_rt``), SIGUSR2 that KILL will come.
_TIME_SIGNALS = (10, 24)

# The XML has full names and is whole or not XML at all; there is no way to ask for ids only.
_LIST = """
list() { limit qstat -xml -u "$user"; }
"""

# A file of years may have had the id before: all records of it come.
_ACCOUNT = """
account() {
  local id
  for id in "${ids[@]}"; do limit qacct -j "$id" || [ "$?" != 124 ] || return 124; done
  return 0
}
"""

_CANCEL = """
cancel() { chunks qdel; }
"""

_COUNT = """
count() { limit qstat -g d -u "$1" ${2:+-q "$2"} | awk '/^ *[0-9]/ { n++ } END { print n + 0 }'; }
"""

_SUBMITTED = re.compile(r"Your job (\d+) ")
_FIELD = re.compile(r"^(\w+)\s+(.*?)\s*$")


class GridEngine(Scheduler):
    """Grid Engine."""

    name = "sge"
    id_variable = "JOB_ID"
    proof = "</job_info>"

    #: Messages of https://github.com/gridengine/gridengine/blob/master/source/daemons/qmaster
    #: (msg_qmaster.h) and source/libs/gdi (msg_gdilib.h).
    refusals: ClassVar[tuple[Refusal, ...]] = (
        Refusal(
            r"unable to (?:send message to|contact) qmaster|can't get answer|commlib|got select err"
            r"|no (?:qmaster|cell)|cell directory|not able to reach|unable to initialize env",
            SchedulerDownError,
        ),
        Refusal(
            r"only \d+ jobs are allowed|jobs? limit|too many jobs"
            r"|exceeds? .*quota|limited by|submission of jobs? is (?:currently )?disabled",
            BackPressureError,
        ),
        Refusal(
            r"unknown (?:resource|queue|option|project)|does not exist|no suitable queues"
            r"|not an? (?:integer|valid)|invalid option|parallel environment|denied: .*resource"
            r"|must be forced|wrong \w+ type|project",
            ResourcesError,
        ),
    )

    def options(self, resources: Mapping[str, Any] | QResources | None) -> dict[str, Any]:
        """Return resources as keys of the template; qtoolkit's own conversion is PBS's.

        Raises:
            ResourcesError: A ``QResources`` asks for what Grid Engine cannot express.
        """
        asked = qresources_of(resources)
        return super().options(resources) if asked is None else grid_engine_options(asked)

    def script(self, body: str, resources: Mapping[str, Any] | QResources | None, name: str) -> str:
        """Return a submission script.

        It runs in the folder it is submitted in, and by bash: Grid Engine looks at the queue's
        setting, often csh, and not at the first line.
        """
        options = verbatim(self.options(resources), "#$ -S /bin/bash")
        return submission_script(self.io, body, own_options(options, name, cwd=""))

    def parse_submit(self, stdout: str) -> str | None:
        """Return the id in qsub's answer; warnings may stand before it."""
        found = _SUBMITTED.search(stdout)
        return found[1] if found else None

    def list_command(self) -> str:
        """Return the command that lists the user's jobs."""
        return _LIST

    def count_command(self) -> str:
        """Return the command that counts jobs, each of an array."""
        return _COUNT

    def parse_list(self, output: Output) -> Listing:
        """Read qstat's answer; a job that makes no sense costs its own answer only."""
        start = output.stdout.find("<job_info")
        end = output.stdout.rfind(self.proof)
        if output.exit_code != 0 or start < 0 or end < 0:
            raise SchedulerDownError(f"qstat failed ({output.exit_code}): {output.text}")
        text = output.stdout[start : end + len(self.proof)]
        return Listing({row.queue_id: row for row in map(_row, _jobs(text)) if row})

    def cancel_command(self) -> str:
        """Return the command that cancels jobs."""
        return _CANCEL

    def accounting_command(self) -> str:
        """Return the command that asks qacct."""
        return _ACCOUNT

    def parse_accounting(self, output: Output) -> dict[str, EndReport]:
        """Read qacct's records; of an id that was given twice the last one counts."""
        reports: dict[str, EndReport] = {}
        for record in re.split(r"^=+$", output.stdout, flags=re.MULTILINE):
            fields = dict(_fields(record))
            if "jobnumber" in fields and "exit_status" in fields:
                reports[fields["jobnumber"]] = _report(fields)
        return reports


def _fields(record: str) -> list[tuple[str, str]]:
    """Return the fields of a record of qacct."""
    found = (_FIELD.match(line) for line in record.splitlines())
    return [(match[1], match[2]) for match in found if match]


def _report(fields: dict[str, str]) -> EndReport:
    """Return the report of a record."""
    status = fields["exit_status"].split()[0]
    code = int(status) if status.isdigit() else None
    failed = fields.get("failed", "0")
    number = int(failed.split()[0]) if failed.split()[0].isdigit() else 0
    sent = signal_of(code)
    by = fields.get("deleted_by", "NONE")
    if by not in {"NONE", ""}:
        return EndReport(EndReason.CANCELLED, code, sent, f"failed {failed}, deleted by {by}", by)
    if number == 0 and not code:
        return EndReport(EndReason.COMPLETED, 0, words="exit_status 0")
    if number in {0, BY_SIGNAL} and sent in _TIME_SIGNALS:
        reason = EndReason.TIMEOUT
    elif number == BY_SIGNAL:
        reason = EndReason.UNKNOWN
    else:
        reason = FAILURES.get(number, EndReason.FAILED)
    return EndReport(reason, code or None, sent, f"failed {failed}, exit_status {status}")


def _jobs(text: str) -> list[ET.Element]:
    """Return the jobs in qstat's XML.

    Some versions write characters that XML does not allow, in job names for example: then each job
    is read by itself.
    """
    try:
        return list(ET.fromstring(text).iter("job_list"))  # noqa: S314 - the site's own scheduler
    except ET.ParseError:
        jobs = []
        for part in re.findall(r"<job_list.*?</job_list>", text, re.DOTALL):
            try:
                jobs.append(ET.fromstring(part))  # noqa: S314
            except ET.ParseError:
                continue
        return jobs


def _row(job: ET.Element) -> Row | None:
    """Return the row of a job."""
    queue_id = (job.findtext("JB_job_number") or "").strip()
    words = (job.findtext("state") or "").strip()
    if not queue_id:
        return None
    state = next((STATES[letter] for letter in STATES if letter in words), QueueState.UNKNOWN)
    return Row(queue_id, state, words, (job.findtext("JB_name") or "").strip())
