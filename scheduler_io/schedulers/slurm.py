"""Slurm.

The manual is at https://slurm.schedmd.com/squeue.html, .../sbatch.html, .../sacct.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from jfcelery.errors import BackPressureError, ResourcesError, SchedulerDownError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.base import (
    GIVEN_AGAIN,
    NO_FOLDER,
    EndReason,
    EndReport,
    Listing,
    Output,
    QueueState,
    Row,
    Scheduler,
)
from jfcelery.scheduler_io.schedulers.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What each job state means, https://slurm.schedmd.com/job_state_codes.html.
STATES: dict[str, QueueState | EndReason] = {
    "BOOT_FAIL": EndReason.NODE_FAIL,
    "CANCELLED": EndReason.CANCELLED,
    "COMPLETED": EndReason.COMPLETED,
    "COMPLETING": QueueState.RUNNING,
    "CONFIGURING": QueueState.QUEUED,
    "DEADLINE": EndReason.TIMEOUT,
    "EXPEDITING": QueueState.QUEUED,
    "FAILED": EndReason.FAILED,
    "LAUNCH_FAILED": EndReason.NODE_FAIL,
    "NODE_FAIL": EndReason.NODE_FAIL,
    "OUT_OF_MEMORY": EndReason.OUT_OF_MEMORY,
    "PENDING": QueueState.QUEUED,
    "POWER_UP_NODE": QueueState.QUEUED,
    "PREEMPTED": EndReason.PREEMPTED,
    "RECONFIG_FAIL": EndReason.NODE_FAIL,
    "REQUEUED": QueueState.QUEUED,
    "REQUEUE_FED": QueueState.QUEUED,
    "REQUEUE_HOLD": QueueState.HELD,
    "RESIZING": QueueState.RUNNING,
    "RESV_DEL_HOLD": QueueState.HELD,
    "REVOKED": EndReason.CANCELLED,
    "RUNNING": QueueState.RUNNING,
    "SIGNALING": QueueState.RUNNING,
    "SPECIAL_EXIT": QueueState.HELD,
    "STAGE_OUT": QueueState.RUNNING,
    "STOPPED": QueueState.SUSPENDED,
    "SUSPENDED": QueueState.SUSPENDED,
    "TIMEOUT": EndReason.TIMEOUT,
    "UPDATE_DB": QueueState.RUNNING,
}

#: Reasons for which a pending job waits for a person.
HELD = ("held", "JobHeldUser", "JobHeldAdmin")

#: The columns of the listing; the name comes last, because it may hold anything.
COLUMNS = "%i|%T|%r|%P|%j"
#: The header that squeue prints above them, also when the queue is empty.
HEADER = "JOBID|STATE|REASON|PARTITION|NAME"

# Finished jobs (-t all) stand in the queue for MinJobAge (300 s by default): proof of an end that
# needs no accounting. All jobs of the user come with one request to the controller, however many
# ids are asked for; asking for ids makes squeue fail if a single one was purged. The tasks of an
# array that wait are one row unless `-r` asks for each.
_LIST = rf"""
list() {{
  local each=
  case ${{ids[*]}} in *_*) each=-r ;; esac
  limit squeue -u "$user" -t all $each -o '{COLUMNS}' | only_ids '|' '_'
}}
"""

# ``CANCELLED by UID``: the host knows the name. What the accounting lacks (it is off, or late), the
# controller may still know. A task of an array has a number of its own, too (JobIDRaw): by that
# nobody asks for it. The whole array is asked for: tasks that were cancelled together before they
# began are one row; of one that was cancelled alone, nothing is left but the controller's word that
# its array lacks it. A controller that is killed within seconds of taking a job forgets it: the
# accounting has nothing, or an eternal PENDING (`none`), and the id may be another job's (`live`),
# its array's number another array's (`lacks`): so names are told.
_ACCOUNT = r"""
account() {
  local out uid id told name what asked=
  out=$(SLURM_BITSTR_LEN=0 limit sacct -n -P -X \
    -j "$(printf '%s\n' "${ids[@]%%_*}" | sort -u | paste -s -d , -)" \
    -o JobIDRaw,JobID,State,ExitCode,JobName |
    sed 's/^[0-9]*|\([0-9]*_[^|]*\)|/\1|/; t
      s/^\([^|]*\)|[^|]*|/\1|/') && asked=yes
  printf '%s\n' "$out"
  for uid in $(printf '%s\n' "$out" | sed -n 's/.*|CANCELLED by \([0-9]*\)|.*/\1/p' | sort -u); do
    printf 'uid|%s|%s\n' "$uid" "$(id -un "$uid" 2>/dev/null)"
  done
  for id in "${ids[@]}"; do
    case $'\n'$out in
      *$'\n'"$id|RUNNING|"* | *$'\n'"$id|PENDING|"*) ;;
      *$'\n'"$id|"*) continue ;;
    esac
    told=$(limit scontrol show job -o "$id" 2>&1)
    printf '%s\n' "$told"
    what=live
    case $told in *' not found'*)
      what=lacks told=$(limit scontrol show job -o "${id%%_*}" 2>&1) ;;
    esac
    name=${told##*JobName=}
    case $told in *JobName=*) printf '%s|%s|%s\n' "$what" "$id" "${name%% *}"; continue ;; esac
    case $'\n'$out in *$'\n'"$id|RUNNING|"*) continue ;; esac
    case $asked$told in yes*'Invalid job id'*) printf 'none|%s|\n' "$id" ;; esac
  done
  return 0
}
"""

_CANCEL = """
cancel() { chunks scancel; }
"""

# The id of an array is that of all its tasks.
_OWNERS = "limit squeue -h -u \"$user\" -t all -o '%F|%Z|%j'"

_COUNT = """
count() { limit squeue -h -r -u "$1" ${2:+-p "$2"} -o %i | wc -l; }
"""

# The script of an array has the header of its jobs as far as sbatch reads it: until the first
# command. An option of the command line is worth more. A task becomes its job's own script, in the
# run folder and with the environment that this would have alone; its argument is the id. The folder
# may hold a later attempt by then. Jobs with an array of their own, of several parts, or one at a
# time by their name, cannot be tasks.
_ARRAY = r"""
array_largest() { limit scontrol show config | sed -n 's/^MaxArraySize *= *//p'; }
array_apart() {
  case $head in
    *--array* | *'#SBATCH -a'* | *hetjob* | *packjob* | *singleton*) return 0 ;;
    '#!'*) return 1 ;;
  esac
}
array_script() {
  local line i n=0
  echo '#!/bin/sh'
  while IFS= read -r line; do
    case $line in
      '#SBATCH'*) printf '%s\n' "$line" ;;
      '#'* | '') ;;
      *) break ;;
    esac
  done <<<"$head"
  printf '# Array %s\ncase $SLURM_ARRAY_TASK_ID in\n' "$array"
  for i; do
    member "$i"
    printf "%s) _jfc_name='%s' ;;\n" "$n" "${name//\'/\'\\\'\'}"
    n=$((n + 1))
  done
  cat <<'TASK'
esac
_jfc_work=@WORK@
TASK
  printf 'cd -P -- "$_jfc_work/%s/$SLURM_ARRAY_TASK_ID" || exit @NO_FOLDER@\n' "${place##*/}"
  cat <<'TASK'
if ! grep -qxF "# Queue job $_jfc_name" submit.sh; then
  echo "jfcelery: $PWD holds another attempt than $_jfc_name" >&2
  exit @NO_FOLDER@
fi
set -- "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
SLURM_JOB_NAME=$_jfc_name SLURM_SUBMIT_DIR=$PWD
export SLURM_JOB_NAME SLURM_SUBMIT_DIR
unset SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT
unset SLURM_ARRAY_TASK_MAX SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_STEP
TASK
  line=${head%%$'\n'*}
  printf 'exec %s submit.sh "$@"\n' "${line#'#!'}"
}
array_submit() { @SUBMIT@; }
"""
#: What is given to sbatch for an array; in a path, a percent sign begins a pattern.
_ARRAY_OPTIONS = (
    '--array=0-"$last" --job-name="$array" --output="${place//%/%%}/%a/queue.out" '
    '--error="${place//%/%%}/%a/queue.err"'
)

_SUBMITTED = re.compile(r"[Ss]ubmitted batch job (\d+)")
_ID = re.compile(r"\d+(?:_\d+|_\[[\d,-]+(?:%\d+)?\])?")
_CONTROLLER = re.compile(r"\b(\w+)=(\S+)")
_STDERR = re.compile(
    r"\*\*\* (?:JOB|STEP) \S+ ON \S+ (CANCELLED|FAILED) AT \S+(?: DUE TO ([^*]+?))?(?: \*\*\*|,|$)",
    re.MULTILINE,
)
_FORGOTTEN = {"none": "neither Slurm nor its accounting knows it", "live": GIVEN_AGAIN}
_OOM = re.compile(r"oom[-_ ]kill|exceeded (?:job |virtual )?memory limit|OOM Killed", re.IGNORECASE)
_DUE_TO = {
    "TIME LIMIT": EndReason.TIMEOUT,
    "PREEMPTION": EndReason.PREEMPTED,
    "NODE FAILURE": EndReason.NODE_FAIL,
    "JOB REQUEUE": EndReason.PREEMPTED,
}


class Slurm(Scheduler):
    """Slurm."""

    name = "slurm"
    id_variable = "SLURM_JOB_ID"
    tells_ids = True
    proof = HEADER

    #: Messages of https://github.com/SchedMD/slurm/blob/master/src/common/slurm_errno.c.
    refusals: ClassVar[tuple[Refusal, ...]] = (
        Refusal(
            r"unable to contact slurm controller|socket timed out|zero bytes were transmitted"
            r"|connect failure|connection failure|communication|standby mode"
            r"|protocol authentication|munge|unable to establish config"
            r"|unexpected message|could not resolve",
            SchedulerDownError,
        ),
        Refusal(
            r"MaxSubmitJob|MaxJobsP|MaxJobsLimit|GrpSubmitJob|GrpJobs|MaxJobCount"
            r"|temporarily unable to accept|partition not available|configuration not available now"
            r"|partition (?:is|in) (?:down|drain|inactive)|in an unavailable partition"
            r"|submissions disabled|presently disabled|rate limit exceeded|usage threshold"
            r"|required node not available|reservation not usable now",
            BackPressureError,
        ),
        Refusal(
            r"invalid (?:partition|qos|account|feature|node|generic|job array|wckey|license|time"
            r"|reservation|gres|trackable)|time limit is|configuration is not available"
            r"|more processors requested|nodes? count|memory (?:specification|required)"
            r"|(?:Max|Min)\w*(?:Wall|Cpu|Mem|Node|TRES|GRES)|unrecognized option|invalid option"
            r"|sbatch: error: (?:invalid|bad|unable to parse)",
            ResourcesError,
        ),
        # The limit that is violated is named in newer versions only; see the rows above.
        Refusal(r"violates accounting/QOS policy", BackPressureError),
    )

    def array_functions(self) -> str:
        """Return the functions that submit jobs as one array."""
        command = self.submit_command(f"{_ARRAY_OPTIONS} {RunFolder.SCRIPT}")
        return _ARRAY.replace("@NO_FOLDER@", str(NO_FOLDER)).replace("@SUBMIT@", command)

    def task_id(self, array_id: str, number: str) -> str:
        """Return the id of a task of an array."""
        return f"{array_id.partition('_')[0]}_{number}"

    def parse_submit(self, stdout: str) -> str | None:
        """Return the id in sbatch's answer; site plug-ins may print around it."""
        found = _SUBMITTED.search(stdout)
        return found[1] if found else None

    def list_command(self) -> str:
        """Return the command that lists the user's jobs."""
        return _LIST

    def count_command(self) -> str:
        """Return the command that counts jobs that wait or run, each of an array."""
        return _COUNT

    def parse_list(self, output: Output) -> Listing:
        """Read squeue's answer line by line: a bad line costs the answer of one job."""
        lines = output.stdout.splitlines()
        if output.exit_code != 0 or HEADER not in lines:
            raise SchedulerDownError(f"squeue failed ({output.exit_code}): {output.text}")
        rows = (_row(line) for line in lines[lines.index(HEADER) + 1 :])
        return Listing({row.queue_id: row for row in rows if row})

    def cancel_command(self) -> str:
        """Return the command that cancels jobs."""
        return _CANCEL

    def owners_command(self) -> str:
        """Return the command that tells whose ids are in the queue."""
        return _OWNERS

    def accounting_command(self) -> str:
        """Return the command that asks sacct, then scontrol for what sacct does not know."""
        return _ACCOUNT

    def parse_accounting(self, output: Output) -> dict[str, EndReport]:
        """Read what sacct and scontrol print."""
        reports: dict[str, EndReport] = {}
        lines = output.stdout.splitlines()
        users = dict(line.split("|")[1:3] for line in lines if re.fullmatch(r"uid\|\d+\|\w+", line))
        for line in lines:
            found = _accounted(line, users) or _controlled(line)
            if found is None:
                continue
            for queue_id in _tasks(found[0]):
                earlier = reports.get(queue_id)
                is_same = earlier is None or earlier.name == found[1].name
                reports[queue_id] = found[1].completed_by(earlier) if is_same else found[1]
        for queue_id, report in map(_owned, lines):
            if report:
                reports.setdefault(queue_id, report)
        return reports

    def read_stderr(self, text: str) -> EndReport | None:
        """Read what slurmstepd writes when it ends a job."""
        if _OOM.search(text):
            return EndReport(EndReason.OUT_OF_MEMORY, words=_line_with(_OOM, text))
        found = _STDERR.search(text)
        if not found:
            return None
        reason = _DUE_TO.get((found[2] or "").strip(), EndReason.CANCELLED)
        return EndReport(reason, words=_line_with(_STDERR, text))


def _row(line: str) -> Row | None:
    """Read one line of the listing."""
    columns = line.split("|", 4)
    if len(columns) != 5 or not columns[0][:1].isdigit():  # noqa: PLR2004 - the columns above
        return None
    queue_id, word, reason, _partition, name = columns
    meaning = STATES.get(word.rstrip("+"), QueueState.UNKNOWN)
    words = f"{word} ({reason})" if reason not in {"", "None"} else word
    if isinstance(meaning, EndReason):
        return Row(queue_id, QueueState.ENDED, words, name, EndReport(meaning, words=words))
    if meaning is QueueState.QUEUED and any(hold in reason for hold in HELD):
        meaning = QueueState.HELD
    return Row(queue_id, meaning, words, name)


def _accounted(line: str, users: dict[str, str]) -> tuple[str, EndReport] | None:
    """Read one line of sacct."""
    columns = line.split("|", 3)
    if len(columns) != 4 or not _ID.fullmatch(columns[0]):  # noqa: PLR2004 - as asked for
        return None
    word, _, by = columns[1].partition(" by ")
    by = users.get(by, by)
    return _report(columns[0], word, columns[2], words=columns[1], by=by or None, name=columns[3])


def _controlled(line: str) -> tuple[str, EndReport] | None:
    """Read one line of ``scontrol show job -o``."""
    if not line.startswith("JobId="):
        return None
    fields = dict(_CONTROLLER.findall(line))
    word, reason = fields.get("JobState", ""), fields.get("Reason", "None")
    words = word if reason == "None" else f"{word} ({reason})"
    queue_id = fields["JobId"]
    if "ArrayTaskId" in fields:
        queue_id = f"{fields.get('ArrayJobId', queue_id)}_{fields['ArrayTaskId']}"
    codes, name = fields.get("ExitCode", ""), fields.get("JobName", "")
    return _report(queue_id, word, codes, words=words, name=name)


def _owned(line: str) -> tuple[str, EndReport | None]:
    """Read whose an id is now, and of whose array a task is not there."""
    mark, _, rest = line.partition("|")
    queue_id, _, name = rest.partition("|")
    if not _ID.fullmatch(queue_id):
        return "", None
    if mark == "lacks":
        words = "Slurm has its array, but not this task"
        return queue_id, EndReport(EndReason.UNKNOWN, words=words, is_forgotten=True, name=name)
    if not (told := _FORGOTTEN.get(mark)):
        return "", None
    return queue_id, EndReport(EndReason.FORGOTTEN, words=told, is_proof=False, name=name)


def _tasks(queue_id: str) -> Iterator[str]:
    """Yield the ids of all tasks that stand in one row, such as ``7_[0,2-3]``."""
    array, bracket, numbers = queue_id.partition("_[")
    if not bracket:
        yield queue_id
        return
    for part in numbers.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield f"{array}_{number}"


def _report(
    queue_id: str, word: str, codes: str, *, words: str, name: str, by: str | None = None
) -> tuple[str, EndReport] | None:
    """Return a report if the state is one of an end.

    ``codes`` is ``exit:signal``; 0:125 is slurmstepd's own mark for out of memory.
    """
    reason = STATES.get(word.rstrip("+"))
    if not isinstance(reason, EndReason):
        return None
    exit_code, _, number = codes.partition(":")
    code = int(exit_code) if exit_code.isdigit() else None
    sent = int(number) if number.isdigit() and 0 < int(number) < 65 else None  # noqa: PLR2004
    if code == 0 and reason is not EndReason.COMPLETED:
        code = None
    return queue_id, EndReport(reason, code, sent, words, by, name=name)


def _line_with(pattern: re.Pattern[str], text: str) -> str:
    """Return the first line in which a pattern is found."""
    return next((line.strip() for line in text.splitlines() if pattern.search(line)), "")
