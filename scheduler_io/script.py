"""The submission script: it says how far it is from its first line on, and leaves proof of its end.

It needs bash and the core utilities only. What users wrote (``pre_run`` and so on) runs in a
subshell, in plain sight: an ``exit``, ``set -e`` or trap of theirs ends or changes that subshell,
never the part around it, which writes down the end.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Protocol

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers import scheduler_for
from jfcelery.scheduler_io.schedulers.base import NO_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qtoolkit.core.data_objects import QResources

    from jfcelery.scheduler_io.schedulers import QueueWorker
    from jfcelery.scheduler_io.schedulers.base import Scheduler

#: Runs a job; ``{}`` stands for its run folder.
DEFAULT_COMMAND = "jfc execution run {}"
#: Exit code of a script that finds its job begun by another queue job.
DUPLICATE = 75
#: Rounds of 0.2 s after which a signal is sent once more to a command of several parts.
ROUNDS = "25"
#: Signals that are written down, passed on and survived until the job has ended; by number, because
#: their names differ in their prefix. HUP, INT, USR1, USR2, TERM, XCPU of Linux.
SIGNALS = (1, 2, 10, 12, 15, 24)

#: Where a task of an array is told its id, and another queue job by its scheduler.
_GIVEN = "_jfc_given=${{1:-${}}}\nset --\n"

#: What follows the text of a stage, to note how it went.
_KEEP = "_jfc_left {} $?"
_KEEP_CODE = "_jfc_code=$?; _jfc_left {} $_jfc_code"


class _Template(Template):
    """Bash is full of ``$``."""

    delimiter = "@@"


# The claim is a symbolic link: made atomically, also on network file systems, and its target tells
# which queue job came first. A queue job that the scheduler starts anew finds its own claim; one
# that was given up, and that its scheduler remembers after all, finds jfcelery's (`jfcelery:`).
#
# A signal may come to the script alone: it is noted, then passed on, once, to the process group if
# the script leads it (as under Slurm, SGE, PBS and on shell hosts), else to the subshell. That
# lives on until its command has come to its own end. A signal that comes while the command is being
# forked reaches nothing: so the command looks at the notes first; where that cannot be (`again`),
# the signal comes once more, as it does if the subshell noted it (`told`) and yet goes on. The exit
# code is then what the subshell noted: a `wait` that was interrupted loses it (bash 5.2 gives -1).
# It notes it only once it survives signals: a shell that one ends runs its EXIT trap, with a
# status of 0.
_SCRIPT = _Template(r"""
# Queue job @@name
_jfc_dir=@@dir
@@{given}_jfc_id=@@id
{ read -r _jfc_host </proc/sys/kernel/hostname; } 2>/dev/null || _jfc_host=$(uname -n)
_jfc_status=$_jfc_dir/@@status
_jfc_signal='' _jfc_passed='' _jfc_again=@@again
_jfc_note() { printf '%s\n' "$@" >>"$_jfc_status"; }
_jfc_clock() { printf -v _jfc_time '%(%s)T' -1 2>/dev/null || _jfc_time=$(date +%s); }
_jfc_stage() {
  if [ -n "$_jfc_signal" ] && [ "$1" != post_run ]; then exit $((128 + _jfc_signal)); fi
  _jfc_clock
  _jfc_note "stage=$1" "time=$_jfc_time"
}
_jfc_left() { [ "$2" = 0 ] || _jfc_note "failed=$1:$2"; }
_jfc_told() { _jfc_signal=$1; _jfc_note "told=$1"; }
_jfc_send() {
  local stat=''
  { read -r stat <"/proc/$$/stat"; } 2>/dev/null
  set -- "$1" ${stat##*) }
  trap '' "$1"
  if [ "${4:-}" = $$ ]; then kill -"$1" 0; else kill -"$1" "$_jfc_child" 2>/dev/null; fi
  trap "_jfc_pass $1" "$1"
}
_jfc_pass() {
  _jfc_signal=$1
  _jfc_note "signal=$1"
  case " $_jfc_passed " in *" $1 "*) return ;; esac
  _jfc_passed="$_jfc_passed $1"
  _jfc_send "$1"
}
_jfc_read() {
  local line
  stage=started failed='' told='' left='' sent=''
  while IFS= read -r line; do
    case $line in
      stage=started) stage=started failed='' told='' left='' sent='' ;;
      stage=*) stage=${line#stage=} ;;
      failed=exec:*) failed=exec ;;
      told=*) told=${line#told=} ;;
      left=*) left=${line#left=} ;;
      signal=*) sent=${line#signal=} ;;
    esac
  done <"$_jfc_status"
}
_jfc_end() {
  local code=$1 stage failed told left sent text
  trap - EXIT
  trap '' @@signals
  _jfc_read
  _jfc_clock
  if [ -n "$_jfc_signal" ]; then code=${left:-$((128 + _jfc_signal))}; fi
  text="exit_code=$code
stage=${failed:-$stage}
queue_id=$_jfc_id
host=$_jfc_host
time=$_jfc_time${_jfc_signal:+
signal=$_jfc_signal}"
  printf '%s\n' "$text" >"$_jfc_dir/@@end.tmp" &&
    mv -f "$_jfc_dir/@@end.tmp" "$_jfc_dir/@@end"
  _jfc_note stage=ended "exit_code=$code" "time=$_jfc_time"
  exit "$code"
}
_jfc_wait() {
  local stage failed told left sent rounds=0
  _jfc_code=$((128 + ${_jfc_signal:-0}))
  # A signal that came before this line interrupts no wait: look after the subshell at once.
  if [ -z "$_jfc_signal" ]; then wait "$_jfc_child"; _jfc_code=$?; fi
  while kill -0 "$_jfc_child" 2>/dev/null; do
    sleep 0.2
    rounds=$((rounds + 1))
    _jfc_read
    if [ "$stage" = post_run ]; then continue; fi
    if [ -n "$told" ] || [ "$rounds" = "$_jfc_again" ]; then _jfc_send "$_jfc_signal"; fi
  done
}
_jfc_run() {
  local stage failed told left sent
  _jfc_read
  [ -z "$sent" ] || exit $((128 + sent))
  case $1 in /*) exec "$@" ;; esac
  if [ "$(type -t "$1")" = file ]; then exec "$@"; else "$@"; fi
}
cd "$_jfc_dir" || exit @@no_folder
if ! ln -s "$_jfc_id" @@claim 2>/dev/null && [ "$(readlink @@claim)" != "$_jfc_id" ]; then
  echo "jfcelery: this attempt was begun, or given up, already ($(readlink @@claim))" >&2
  exit @@duplicate
fi
# A controller that was killed may begin a job again that has come to its own good end.
if [ -e @@end ]; then
  case $(cat @@end) in 'exit_code=0
'*) echo "jfcelery: this attempt has ended well already" >&2; exit 0 ;; esac
  rm -f @@end
fi
trap '_jfc_end $?' EXIT
for _jfc_n in @@signals; do trap "_jfc_pass $_jfc_n" "$_jfc_n"; done
_jfc_clock
_jfc_note stage=started "host=$_jfc_host" @@queue_id"time=$_jfc_time"
(
for _jfc_n in @@signals; do trap "_jfc_told $_jfc_n" "$_jfc_n"; done
trap '_jfc_note "left=$?"' EXIT
@@body
exit $_jfc_code
) &
_jfc_child=$!
_jfc_wait
exit "$_jfc_code"
""")


class Surroundings(Protocol):
    """What an execution configuration puts around a job's command."""

    @property
    def modules(self) -> list[str] | None:
        """Environment modules to load."""
        ...

    @property
    def export(self) -> dict[str, Any] | None:
        """Variables to export."""
        ...

    @property
    def pre_run(self) -> str | None:
        """Lines before the command."""
        ...

    @property
    def post_run(self) -> str | None:
        """Lines after the command."""
        ...


def build_script(
    worker: QueueWorker,
    exec_config: Surroundings | None,
    resources: Mapping[str, Any] | QResources | None,
    *,
    folder: RunFolder,
    name: str,
    attempt: int,
    command: str | None = None,
    scheduler: Scheduler | None = None,
) -> str:
    """Return the script to submit.

    Args:
        worker: On which it runs; its resources apply where the job has none.
        exec_config: What to put around the command.
        resources: What the job asks for: keys of qtoolkit's template, or a ``QResources``.
        folder: Where it runs.
        name: Unique name of the queue job.
        attempt: Which attempt at running the job this is.
        command: Runs the job, ``{}`` stands for the folder; by default the worker's
            ``execution_cmd``, else ``jfc execution run {}``.
        scheduler: For which it is, where that is not the worker's own scheduler.

    Raises:
        ResourcesError: The scheduler has no use for the resources.
    """
    scheduler = scheduler or scheduler_for(worker)
    line = fill_in(command or worker.execution_cmd or DEFAULT_COMMAND, folder)
    lines = list(_body(worker, exec_config, line))
    has_id = bool(scheduler.id_variable)
    claim = "_jfc_given" if scheduler.tells_ids else scheduler.id_variable or "JOB_ID"
    text = _SCRIPT.substitute(
        name=name,
        dir=shlex.quote(str(folder)),
        given=_GIVEN.format(scheduler.id_variable) if scheduler.tells_ids else "",
        id=f'"${{{claim}:-$(uname -n):$$}}"',
        queue_id=f'${{{claim}:+"queue_id=${claim}"}} ' if has_id else "",
        status=RunFolder.status(attempt),
        end=RunFolder.end(attempt),
        claim=RunFolder.claim(attempt),
        no_folder=NO_FOLDER,
        duplicate=DUPLICATE,
        signals=" ".join(map(str, SIGNALS)),
        body="\n".join(lines),
        again="''" if is_simple(line) else ROUNDS,
    )
    wanted = resources if resources is not None else worker.resources
    return scheduler.script(text.strip("\n"), wanted, name) + "\n"


def fill_in(command: str, folder: RunFolder) -> str:
    """Put the run folder where a command has ``{}``.

    Doubled braces are single ones, as in jobflow-remote, unless bash's own are in the command.
    """
    path = shlex.quote(str(folder))
    try:
        return command.format(path)
    except (IndexError, KeyError, ValueError, AttributeError):
        return command.replace("{}", path)


def is_simple(command: str) -> bool:
    """Whether a command is one program with its arguments."""
    words = command.split()
    return bool(words) and not re.search(r"[\n;&|(){}<>`]", command) and "=" not in words[0]


def module_line(module: str) -> str:
    """Return the line that loads an environment module: a name, of several words perhaps."""
    return f"module load {shlex.join(module.split())}"


def export_line(name: str, value: object) -> str:
    """Return the line that exports a variable.

    The value stands as it is, so that the worker's shell expands ``$VAR`` and ``~`` and obeys
    quotes in it; one that has none, but blanks or the like, is put into double quotes.
    """
    text = str(value)
    if re.search(r"[\s;&|<>()]", text) and not re.search(r"[\"'\\`]|\$\(", text):
        text = f'"{text}"'
    return f"export {name}={text}"


def _body(worker: QueueWorker, exec_config: Surroundings | None, command: str) -> Iterator[str]:
    """Give what runs in the subshell: the stages, with the user's own lines in them."""
    modules = (exec_config.modules if exec_config else None) or []
    exports = (exec_config.export if exec_config else None) or {}
    yield from _stage("pre_run", worker.pre_run)
    yield from _stage("modules", "\n".join(map(module_line, modules)))
    yield from _stage("export", "\n".join(export_line(*item) for item in exports.items()))
    yield from _stage("pre_run", exec_config.pre_run if exec_config else None)
    line = f"(_jfc_run {command.strip()})" if is_simple(command) else command
    yield from _stage("exec", line, keep=_KEEP_CODE, before=path_of(worker))
    yield from _stage("post_run", worker.post_run)
    yield from _stage("post_run", exec_config.post_run if exec_config else None)


def _stage(stage: str, text: str | None, *, keep: str = _KEEP, before: str = "") -> Iterator[str]:
    """Give one stage, if there is anything to do in it."""
    if not text or not text.strip():
        return
    yield f"_jfc_stage {stage}"
    if before:
        yield before
    yield text.strip("\n")
    yield keep.format(stage)


def path_of(worker: QueueWorker) -> str:
    """Return the line by which a local job finds this very installation's ``jfc``.

    It comes last in the search, so that what ``pre_run`` activates goes first.
    """
    if not worker.is_local:
        return ""
    return f'PATH="$PATH":{shlex.quote(str(Path(sys.executable).parent))}'
