"""No scheduler: a job is a process in a session of its own, on the host itself.

The id is ``PID-BIRTH-BOOT.NAMESPACE@HOST``: a process number is used again, its time of birth
within one boot and one namespace of process numbers is not. So a job is not taken for another
process, nor looked for on another login node or in another container.

The manual is at https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html.
"""

from __future__ import annotations

import re
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
from jfcelery.scheduler_io.schedulers.headers import submission_script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.core.data_objects import QResources

#: First line of the listing.
HEADER = "PROCESSES"
#: What each letter in the listing means: those of ps, and ours for what ps cannot say.
STATES: dict[str, tuple[QueueState, EndReport | None, str]] = {
    "D": (QueueState.RUNNING, None, "waiting for input or output"),
    "T": (QueueState.SUSPENDED, None, "stopped by a signal"),
    "t": (QueueState.SUSPENDED, None, "stopped by a debugger"),
    "orphans": (QueueState.RUNNING, None, "its script was killed, but processes of it run on"),
    "elsewhere": (QueueState.UNKNOWN, None, "it runs on another machine or in another container"),
    "ended": (QueueState.ENDED, None, "ended"),
    "gone": (
        QueueState.ENDED,
        EndReport(EndReason.LOST, words="its processes are gone without a final file (SIGKILL?)"),
        "gone",
    ),
    "restarted": (
        QueueState.ENDED,
        EndReport(EndReason.NODE_FAIL, words="the machine was started anew"),
        "restarted",
    ),
}
#: Keys of qtoolkit's template for what the submission does itself.
_REDIRECTED = frozenset({"job_name", "qout_path", "qerr_path"})
#: Seconds that processes have between TERM and KILL.
GRACE_S = 5

# `place`: boot and namespace of process numbers. `stat_of PID`: state and time of birth of a
# process, from /proc where there is one. `members`: processes that bear a job's id in their
# environment, as every child of it does unless it cleans it on purpose.
_COMMON = r"""
boot= ns=
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
  boot=$(sysctl -n kern.boottime 2>/dev/null | tr -dc 0-9)
ns=$(readlink /proc/self/ns/pid 2>/dev/null | tr -dc 0-9)
place=${boot:0:8}.$ns machine=$(uname -n)
stat_of() {
  local text=
  if [ -r /proc/self/stat ]; then
    { read -r text <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${text##*) }
    state=$1 birth=${20}
  else
    state=$(ps -o state= -p "$1") || return 1
    birth=$(ps -o lstart= -p "$1" | tr -dc 0-9A-Za-z)
  fi
  case $state in Z* | X*) return 1 ;; esac
}
members() {
  grep -azoH '^JFC_QUEUE_ID=[^[:cntrl:]]*' /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'
}
split_id() { pid=${1%%-*}; set -- "${1#*-}"; born=${1%%-*} at=${1#*-}; }
"""

#: What a process is that is to become a job: it leaves its id, then starts the script ``submit.sh``
#: under its own name. ``$place`` and ``$machine`` are known; `stat_of` is.
CHILD = r"""
stat_of $$; id=$$-$birth-$place@$machine
printf "%s\n" "$id" >&@ANSWER@
export JFC_QUEUE_ID=$id
exec -a "$0" "$BASH" submit.sh </dev/null >queue.out 2>queue.err @CLOSED@
"""
#: The shell function `stat_of` alone.
STAT_OF = re.search(r"^stat_of\(\) \{.*?^\}", _COMMON, re.MULTILINE | re.DOTALL)[0]  # type: ignore[index]

# The process writes its own id, under the lock, before it becomes the job; then its end of the pipe
# closes.
_SUBMIT = (
    _COMMON
    + r"""
submit() {
  local child session=setsid pid
  command -v setsid >/dev/null 2>&1 || { session=; set -m; }
  child="$(declare -f stat_of)
    place=$place machine=$machine
    "'@CHILD@'
  { pid=$($session bash -c "$child" "$name" & ); } 8>&1
}
""".replace(
        "@CHILD@",
        CHILD.replace("@ANSWER@", "8").replace("@CLOSED@", "3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-"),
    )
)

_LIST = (
    _COMMON
    + r"""
list() {
  local row id a d pid born at state birth lost=() others
  echo PROCESSES
  for row in "${rows[@]}"; do
    split_row "$row"; split_id "$id"
    if [ "${at%@*}" != "$place" ]; then
      if [ "${at#*@}" = "$machine" ]; then echo "$id|restarted"; else echo "$id|elsewhere"; fi
    elif stat_of "$pid" && [ "$birth" = "$born" ]; then echo "$id|$state"
    elif [ -s "$d/jfc_end.$a" ]; then echo "$id|ended"
    else lost+=("$id")
    fi
  done
  [ "${#lost[@]}" = 0 ] && return
  others=$(members)$'\n'
  for id in "${lost[@]}"; do
    case $others in *":JFC_QUEUE_ID=$id"$'\n'*) echo "$id|orphans" ;; *) echo "$id|gone" ;; esac
  done
}
"""
)

# Where an earlier submission was killed before the process wrote its id, or the disk was full.
_LOOKUP = (
    _COMMON
    + r"""
lookup() {
  local path pid text state birth
  echo PROCESSES
  for path in $(grep -alz "^$name\$" /proc/[0-9]*/cmdline 2>/dev/null); do
    pid=${path#/proc/} pid=${pid%/cmdline}
    { IFS= read -r -d '' text <"$path"; } 2>/dev/null
    [ "$text" = "$name" ] && stat_of "$pid" &&
      [ "$(ps -o sid= -p "$pid" | tr -dc 0-9)" = "$pid" ] &&
      echo "$pid-$birth-$place@$machine|$state|$name"
  done
  return 0
}
"""
)

# TERM to the whole group, or to what is left of a job whose script was killed; then KILL to all
# that bear its id, wherever they went.
_CANCEL = r"""
alive_of() {
  local id pid born at state birth others
  left=() others=$(members)
  for id in "${ids[@]}"; do
    split_id "$id"
    [ "${at%@*}" = "$place" ] || continue
    if stat_of "$pid" && [ "$birth" = "$born" ]; then left+=("-$pid"); fi
    left+=($(printf '%s\n' "$others" |
      sed -n "s|^/proc/\([0-9]*\)/environ:JFC_QUEUE_ID=$id\$|\1|p"))
  done
}
cancel() {
  local left=() one i
  alive_of
  for one in "${left[@]}"; do
    case $one in
      -*) kill -TERM -- "$one" 2>/dev/null ;;
      *) case " ${left[*]} " in *" -$(ps -o pgid= -p "$one" | tr -dc 0-9) "*) ;;
        *) kill -TERM "$one" 2>/dev/null ;; esac ;;
    esac
  done
  for ((i = 0; i < @GRACE@ * 5 && ${#left[@]}; i++)); do sleep 0.2; alive_of; done
  for ((i = 0; i < 10 && ${#left[@]}; i++)); do
    for one in "${left[@]}"; do kill -KILL -- "$one" 2>/dev/null; done
    sleep 0.1; alive_of
  done
  return 0
}
""".replace("@GRACE@", str(GRACE_S))

_SUBMITTED = re.compile(r"^\d+-\w+-[\w.]+@\S+$", re.MULTILINE)


class Shell(Scheduler):
    """Plain processes."""

    name = "shell"
    id_variable = "JFC_QUEUE_ID"
    proof = HEADER

    def script(self, body: str, resources: Mapping[str, Any] | QResources | None, name: str) -> str:
        """Return a script; its only header are lines of the user's own (``qverbatim``)."""
        del name
        options = {k: v for k, v in self.options(resources).items() if k not in _REDIRECTED}
        return submission_script(self.io, body, options)

    def submit_command(self, script: str) -> str:
        """Return the command that starts a script in a session of its own."""
        return _SUBMIT.replace("submit.sh", script)

    def parse_submit(self, stdout: str) -> str | None:
        """Return the id that the process gave itself."""
        found = _SUBMITTED.search(stdout)
        return found[0] if found else None

    def list_command(self) -> str:
        """Return the command that looks for processes."""
        return _LIST

    def lookup_command(self) -> str:
        """Return the command that looks for the leader of a session that bears the name."""
        return _LOOKUP

    def cancel_command(self) -> str:
        """Return the command that ends whole jobs, with all their processes."""
        return _CANCEL

    def parse_list(self, output: Output) -> Listing:
        """Read the listing."""
        lines = output.stdout.splitlines()
        if output.exit_code != 0 or HEADER not in lines:
            raise SchedulerDownError(f"the processes cannot be listed: {output.text}")
        rows = [
            process_row(*line.split("|"))
            for line in lines[lines.index(HEADER) + 1 :]
            if "|" in line
        ]
        return Listing({row.queue_id: row for row in rows}, unknown=frozenset())


def process_row(queue_id: str, letter: str, name: str = "") -> Row:
    """Return the row of a line; any letter of ps that is not in the table means that it runs."""
    state, end, words = STATES.get(letter, (QueueState.RUNNING, None, "running"))
    return Row(queue_id, state, words, name, end)
