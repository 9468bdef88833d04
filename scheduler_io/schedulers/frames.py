"""The bash frames around a scheduler's commands: one frame, one round trip.

What they print is cut into sections by marker lines that hold a nonce, so that neither a noisy
login nor a chatty command is taken for an answer; a last section proves that nothing was cut off.
Jobs come by stdin, one a line, because a command line holds only so much (131,072 bytes on Linux).
"""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jfcelery.folders import GIVEN_UP

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Name of the section that ends every frame.
DONE = "done"
#: Seconds between TERM and KILL for a command that hangs.
KILL_AFTER_S = 5
#: How many ids go on one command line.
CHUNK = 200
#: Seconds that a submission waits for another one that has the run folder.
LOCK_S = 20
#: Seconds after which a submission whose command was killed shows in the queue, or never.
SETTLE_S = 10

# `only_ids SEPARATOR SUFFIX`: of a listing with a header, the header and the lines whose first
# column, as it is or without what follows SUFFIX, is one of the ids; everything if there are none.
# A person may have many more jobs than jfcelery has.
_PROLOGUE = r"""
nonce=@NONCE@ limit_s=@LIMIT@
user=@USER@; user=${user:-$(id -un)}
say() { printf '\n%s %s\n' "$nonce" "$*"; }
limit() {
  if command -v timeout >/dev/null 2>&1; then timeout -k @KILL@ "$limit_s" "$@"; else "$@"; fi
}
section() {
  local what=$1 err rc; shift; say "$what out"
  { err=$("$@" 2>&1 1>&3 3>&-); rc=$?; } 3>&1
  say "$what err"; printf '%s' "$err"; say "$what rc $rc"
  return "$rc"
}
chunks() {
  local i rc=0
  for ((i = 0; i < ${#ids[@]}; i += @CHUNK@)); do
    limit "$@" "${ids[@]:i:@CHUNK@}" || rc=$?
    [ "$rc" = 124 ] && break
  done
  return "$rc"
}
only_ids() {
  [ "${#ids[@]}" = 0 ] && { cat; return; }
  awk -F"$1" -v s="$2" 'NR == FNR { want[$1]; next }
    FNR == 1 || index($0, "JOBID") == 1 { print; next }
    { split($1, id, s) } id[1] in want || $1 in want' \
    <(printf '%s\n' "${ids[@]}") -
}
tab=$'\t' ids=() rows=()
read_rows() {
  local IFS=$'\n' row; set -f; rows=($(cat)); set +f
  for row in "${rows[@]}"; do ids+=("${row%%"$tab"*}"); done
}
split_row() { id=${1%%"$tab"*}; set -- "${1#*"$tab"}"; a=${1%%"$tab"*}; d=${1#*"$tab"}; }
# Has an attempt begun in a folder? On a full disk its status file may be empty. A claim that
# jfcelery took itself keeps it from beginning.
begun_in() {
  [ -s "$1/jfc_status.$a" ] && return 0
  [ -L "$1/.jfc_claim.$a" ] || return 1
  case $(readlink "$1/.jfc_claim.$a") in @GIVEN_UP@*) return 1 ;; esac
}
set -o pipefail
"""

# Cancels the jobs of the rows, whose names are in `names`. What has not begun will not, from now
# on; under the id of such a job its scheduler, having forgotten it, may have another one, which
# `owners` tells: it prints ID|FOLDER|NAME of what is in the queue.
_CANCEL = r"""
is_anothers() {
  local number=${id%%_*} array=$name here one who folder found=1
  [ -s "$1/.jfc_array.$a" ] && read -r array _ <"$1/.jfc_array.$a"
  here=$(cd -P -- "$1" && pwd -P)
  while IFS='|' read -r one folder who; do
    [ "$one" = "$number" ] || continue
    if [ "$who" = "$array" ] || [ "$folder" = "$here" ]; then return 1; fi
    found=0
  done <<<"$owned"
  return "$found"
}
cancel_own() {
  local i one where name owned own=()
  owned=$(owners 2>/dev/null)
  for i in "${!rows[@]}"; do
    split_row "${rows[i]}"; name=${names[i]} where=
    for one in "$d" "$d.attempt$a"; do
      grep -qxF -- "# Queue job $name" "$one/submit.sh" 2>/dev/null && where=$one
    done
    if [ -n "$where" ]; then
      ln -s @GIVEN_UP@cancelled "$where/.jfc_claim.$a" 2>/dev/null
      begun_in "$where" || ! is_anothers "$where" || continue
    fi
    own+=("$id")
  done
  ids=("${own[@]}")
  [ "${#ids[@]}" = 0 ] || cancel
}
"""

# One row: ID, attempt, folder. Prints of each job whether its final file (`end`, with what is in
# it), its status file (`started`) or no folder at all (`gone`) is there, and the name of its array
# if it went in one. The listing comes first: a job that ends between the two is seen as ended.
_POLL = r"""
export LC_ALL=C
read_rows
@FIRST@
section list list
say "files out"
for row in "${rows[@]}"; do
  split_row "$row"
  case $id in *_*)
    if [ -s "$d/.jfc_array.$a" ]; then
      read -r line _ <"$d/.jfc_array.$a"; printf 'array %s %s\n' "$id" "$line"
    fi ;;
  esac
  if [ -s "$d/jfc_end.$a" ]; then
    text=; while IFS= read -r line || [ -n "$line" ]; do text+=" $line"; done <"$d/jfc_end.$a"
    printf 'end %s%s\n' "$id" "$text"
  elif begun_in "$d"; then printf 'started %s\n' "$id"
  elif [ ! -d "$d" ]; then printf 'gone %s\n' "$id"
  fi
done
say done
"""

# One row: ID, attempt, folder. Prints the accounting, then what each folder tells.
_ACCOUNT = r"""
export LC_ALL=C
read_rows
section account account
for row in "${rows[@]}"; do
  split_row "$row"
  [ -d "$d" ] || continue
  say "end $id"; cat "$d/jfc_end.$a" 2>/dev/null
  say "status $id"; cat "$d/jfc_status.$a" 2>/dev/null
  say "claim $id"; readlink "$d/.jfc_claim.$a" 2>/dev/null | grep -v '^@GIVEN_UP@'
  say "array $id"; cat "$d/.jfc_array.$a" 2>/dev/null
  say "stderr $id"; tail -c 4000 "$d/queue.err" 2>/dev/null
done
say done
"""

# What a folder knows of its submission. `enter_one` goes there and takes its lock, which the
# submitting command itself holds too, should its shell die (publishing locks the folder; file
# systems that cannot do that lock the file). `state_one` says what is known: `known` an id, from
# the script's own claim or status file; `answered` the scheduler's answer; `listed` a listing with
# the name in it; `task` either of the two for the array that the job went in (`$mark` has its name
# and the job's number in it); `silent` if the queue cannot be asked; it fails if the job was never
# submitted. The id file is made, empty, before the submission: an empty one is a submission in
# doubt. `step` says that something begins which has a time limit of its own, so that whoever waits
# knows that all goes on.
_FOLDER = r"""
enter_one() {
  local one
  for one in "$d" "$d.attempt$a"; do
    case $(cat "$one/submit.sh" 2>/dev/null) in *"$name"*) break ;; esac
    one=
  done
  if [ -z "$one" ]; then
    if [ -d "$d" ]; then say "foreign $name"; else say "missing $name"; fi
    return 1
  fi
  cd -- "$one" || { say "missing $name"; return 1; }
  why=$( { exec 9>>"$lock" && : >"$f.probe" && rm -f "$f.probe"; } 2>&1 )
  if [ -z "$why" ]; then exec 9>>"$lock" 7<.
  elif [ "$1" = reading ]; then return 0
  else say "unwritable $name"; printf '%s' "$why"; return 1
  fi
  command -v flock >/dev/null 2>&1 || return 0
  flock -w @LOCK@ 9 2>/dev/null; [ $? = 1 ] && { say "busy $name"; return 1; }
  flock -w @LOCK@ 7 2>/dev/null; [ $? = 1 ] && { say "busy $name"; return 1; }
  return 0
}
state_one() {
  local line age list why= sought=$name
  [ -s "$mark" ] && read -r sought _ <"$mark"
  # The claim of a job that has begun, unless by a process's number: it has room on a full disk.
  line=$(readlink "$claim" 2>/dev/null)
  case $line in '' | *:*) ;; *) say "known $name"; printf '%s' "$line"; return ;; esac
  if [ -s "$s" ]; then
    while IFS= read -r line; do
      case $line in queue_id=?*) say "known $name"; printf '%s' "${line#queue_id=}"; return ;; esac
    done <"$s"
  fi
  if [ -s "$f" ]; then tell answered out "$(cat "$f")"; return; fi
  [ -e "$f" ] || return 1
  age=$(($(date +%s) - $(stat -c %Y "$f" 2>/dev/null || stat -f %m "$f")))
  [ "$age" -ge 0 ] || age=0
  [ "$age" -lt @SETTLE@ ] && sleep $((@SETTLE@ - age))
  step looks
  list=$(LC_ALL=C; export LC_ALL; lookup 2>"$e") || why="exit status $?"
  case $list in *"$proof"*) ;; *) why="${why:-an empty answer}" ;; esac
  [ -z "$why" ] || { say "silent $name"; printf '%s: ' "$why"; cat "$e"; return; }
  case $list in *"$sought"*) tell listed list "$list"; return ;; esac
  return 1
}
tell() {
  [ -s "$mark" ] || { say "$1 $name"; printf '%s' "$3"; return; }
  say "submit $2"; printf '%s' "$3"
  say "submit rc 0"
  say "task $name"; cat "$mark"
}
step() { say "submit $1"; }
# A full disk takes a command's words: say so in their place.
room_in() { { echo >"$1" && : >"$1"; } 2>&1; }
files_of_one() {
  f=.jfc_queue_id.$a s=jfc_status.$a e=.jfc_submit_err.$a lock=.jfc_lock.$a
  gone=.jfc_cancelled.$a mark=.jfc_array.$a claim=.jfc_claim.$a
}
each_row() {
  local start
  for row in "${rows[@]}"; do
    split_row "$row"; name=$id ids=() start=$SECONDS
    ( files_of_one; step begins; "$1" )
    [ $? = 0 ] || [ $((SECONDS - start)) -lt 5 ] || break
  done
}
proof=@PROOF@
read_rows
"""

# One row: unique name, attempt, folder. A failure that took long ends it all: no scheduler.
_SUBMIT = r"""
within_limits() {
  local one most who where many
  for one in "${limits[@]}"; do
    IFS='|' read -r most who where <<<"$one"
    who=${who:-$user}
    step counts
    many=$(LC_ALL=C; export LC_ALL; count "$who" "$where" 2>"$e") ||
      { say "silent $name"; cat "$e"; return 1; }
    [ "$many" -lt "$most" ] || { say "full $name"; echo $many "$who" "$where"; return 1; }
  done
}
submit_one() {
  local rc
  enter_one || return 0
  [ -e "$gone" ] && { say "cancelled $name"; return 0; }
  state_one && return 0
  within_limits || return 0
  rm -f "$mark"  # the array was looked for, and is not there
  : >"$f"
  step asks
  submit >"$f" 2>"$e" </dev/null
  rc=$?
  say "submit out"; cat "$f"
  say "submit err"; cat "$e"; [ "$rc" = 0 ] || [ -s "$e" ] || room_in "$e"
  [ "$rc" = 0 ] || : >"$f"
  say "submit rc $rc"
  say "submitted $name"
  return "$rc"
}
@ARRAYS@
each_row submit_one
say done
"""

# One row: unique name, attempt, folder. From now on it will not be submitted any more.
_FORBID = r"""
forbid_one() {
  enter_one reading || return 0
  { : >"$gone"; } 2>/dev/null
  state_one || say "never $name"
}
each_row forbid_one
say done
"""


class Limit(Protocol):
    """An upper limit of jobs in the queue, with those started by hand."""

    @property
    def max_jobs(self) -> int:
        """How many there may be."""
        ...

    @property
    def user(self) -> str | None:
        """Whose jobs are counted; None: those of the login."""
        ...

    @property
    def partition(self) -> str | None:
        """Where they are counted; None: everywhere."""
        ...


@dataclass(frozen=True)
class Frame:
    """A command and the nonce that marks its sections.

    Args:
        command: For bash.
        nonce: In its marker lines.
    """

    command: str
    nonce: str


def poll_frame(functions: str, *, user: str, limit_s: float, names: Sequence[str] = ()) -> Frame:
    """Return the frame that lists jobs; those with ``names`` are cancelled before, by `cancel`."""
    if names:
        functions += f"names=({' '.join(map(shlex.quote, names))})\n{_CANCEL}"
    first = "section first cancel_own" if names else ""
    return _frame(functions + _POLL, user=user, limit_s=limit_s, FIRST=first)


def account_frame(functions: str, *, user: str, limit_s: float) -> Frame:
    """Return the frame that asks how jobs ended."""
    return _frame(functions + _ACCOUNT, user=user, limit_s=limit_s)


def submit_frame(
    functions: str,
    *,
    user: str,
    limit_s: float,
    proof: str,
    settle_s: float = SETTLE_S,
    limits: Sequence[Limit] = (),
    arrays: str = "",
) -> Frame:
    """Return the frame that submits jobs, each at most once, and none beyond the limits.

    ``arrays`` is the part of ``arrays.py`` that goes first, and submits what can go together.
    """
    values = _folder_values(proof, settle_s)
    words = (f"{one.max_jobs}|{one.user or ''}|{one.partition or ''}" for one in limits)
    functions += f"limits=({' '.join(map(shlex.quote, words))})\n"
    text = functions + _FOLDER + _SUBMIT.replace("@ARRAYS@\n", arrays)
    return _frame(text, user=user, limit_s=limit_s, **values)


def forbid_frame(
    functions: str, *, user: str, limit_s: float, proof: str, settle_s: float = SETTLE_S
) -> Frame:
    """Return the frame that says whether jobs were submitted, and sees that they never will be."""
    values = _folder_values(proof, settle_s)
    return _frame(functions + _FOLDER + _FORBID, user=user, limit_s=limit_s, **values)


def _folder_values(proof: str, settle_s: float) -> dict[str, str]:
    return {"PROOF": shlex.quote(proof), "SETTLE": f"{settle_s:.0f}", "LOCK": f"{LOCK_S}"}


def function(name: str, command: str) -> str:
    """Return a bash function around a command, unless it is one already."""
    if re.search(rf"^{name}\(\)", command, re.MULTILINE):
        return f"\n{command}\n"
    return f"\n{name}() {{ {command}\n}}\n"


def _frame(text: str, *, user: str, limit_s: float, **values: str) -> Frame:
    """Fill in a frame."""
    nonce = f"@{secrets.token_hex(8)}"
    values |= {"NONCE": nonce, "USER": shlex.quote(user), "LIMIT": f"{max(1, limit_s):.0f}"}
    values |= {"KILL": f"{KILL_AFTER_S}", "CHUNK": f"{CHUNK}", "GIVEN_UP": GIVEN_UP}
    command = _PROLOGUE + text
    for key, value in values.items():
        command = command.replace(f"@{key}@", value)
    return Frame(command, nonce)


def sections(text: str, nonce: str) -> list[tuple[str, str]] | None:
    """Cut what a frame printed into its sections.

    Args:
        text: Its stdout; what comes before the first marker is noise.
        nonce: The frame's.

    Returns:
        Title and body of each; None if the end is missing.
    """
    parts = re.split(rf"^{re.escape(nonce)} (.*)$\n?", text, flags=re.MULTILINE)
    pairs = list(zip(parts[1::2], (body.removesuffix("\n") for body in parts[2::2]), strict=True))
    if not pairs or pairs[-1][0] != DONE:
        return None
    return pairs[:-1]
