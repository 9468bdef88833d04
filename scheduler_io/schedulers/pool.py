"""The pool of a batch worker: a folder on the shared file system in place of a queue.

A job that waits is a file in ``pool/``; a pilot claims it by renaming it into
``claimed/PILOT/``, removes it when the job has come to its own end, and renames it into ``lost/``
when it gives the job back. Whoever renames first has it; there is nothing to lock. So a listing
that reads the folders in this order never misses an entry on its way; as a pilot that could not
begin a job has it wait again, the first folder is looked at once more at the end.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from jfcelery.errors import SchedulerDownError
from jfcelery.execution.pilot.handle import CLAIMED, FOLDERS, KILL, LOST, NEW, PILOTS, WAITING
from jfcelery.execution.pilot.starter import RUN_VARIABLE
from jfcelery.folders import GIVEN_UP, RunFolder
from jfcelery.scheduler_io.schedulers.base import Listing, Output, QueueState, Row, Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePath

    from qtoolkit.core.data_objects import QResources

#: First and last line of a listing.
HEADER, FOOTER = "POOL", "POOL ENDS"
#: Names of the entries of a pool: order, perhaps the seconds that the job takes at most, its name.
ENTRY = re.compile(r"^(\d+(?:\.\d+)?)-(jfc-\S+)$", re.MULTILINE)
#: Days after which an entry that was given back is removed; its job has another one since long.
KEPT_DAYS = 7

_MARK = "# jfc-order "
#: What runs a job whose script was made for a pilot, where there is none: its worker has no pool
#: any more.
_COLD = f"[ -n \"${RUN_VARIABLE}\" ] || {RUN_VARIABLE}='jfc execution run'\n"
#: Priorities are cut off here.
_HIGHEST = 499_999

# A folder that cannot be read proves nothing: the disk may not be mounted just now. That of a pilot
# may go meanwhile; then what it had is to be found in those that are read later.
_HEAD = f"""
dir=@DIR@
show() {{ sed -n "/^[0-9]/s/\\$/|$1|$2/p"; }}
entries() {{
  local pilot pilots first found
  echo '{HEADER}'
  first=$(LC_ALL=C ls "$dir/{WAITING}") || return
  show waiting <<<"$first"
  pilots=$(ls "$dir/{CLAIMED}") || return
  for pilot in $pilots; do
    if found=$(ls -f "$dir/{CLAIMED}/$pilot" 2>&1); then
      show claimed "$pilot" <<<"$found"
      continue
    fi
    pilots=$(ls "$dir/{CLAIMED}") || return
    case $'\\n'$pilots$'\\n' in *$'\\n'$pilot$'\\n'*) echo "$found" >&2; return 1 ;; esac
  done
  found=$(ls -f "$dir/{LOST}") || return
  show lost <<<"$found"
  found=$(LC_ALL=C ls "$dir/{WAITING}") || return
  LC_ALL=C comm -13 <(echo "$first") <(echo "$found") | show waiting
  echo '{FOOTER}'
}}
"""

_LIST = _HEAD + "list() { entries; }\n"

# What asks for the name of a job is about to submit it, or forbids that: the first of all may have
# died before there was a pool.
_LOOKUP = f"""
lookup() {{
  local one
  for one in {" ".join(FOLDERS)}; do mkdir -p "$dir/$one" || return; done
  entries
}}
"""

# The entry is written under another name first, so that no pilot ever reads half of it. A script
# that was uploaded before its worker had a pool names no order.
_SUBMIT = f"""
submit() {{
  local dir=@DIR@ entry one
  entry=$(sed -n '1,20s/^{_MARK}//p' submit.sh)
  entry=${{entry:-@ORDER@}}-$name
  for one in {" ".join(FOLDERS)}; do mkdir -p "$dir/$one" || return; done
  find "$dir/{LOST}" "$dir/{KILL}" "$dir/{NEW}" -type f -mtime +{KEPT_DAYS} \\
    -exec rm -f {{}} + 2>/dev/null
  printf 'folder=%s\\nattempt=%s\\nname=%s\\n' "$PWD" "$a" "$name" >"$dir/{NEW}/$entry.$$" &&
    mv "$dir/{NEW}/$entry.$$" "$dir/{WAITING}/$entry" && echo "$entry"
}}
"""

# What still waits is taken away from the pilots; else the one that has it is asked to kill it, also
# where the caches of a network file system do not show yet which that is.
_CANCEL = f"""
cancel() {{
  local dir=@DIR@ id
  for id in "${{ids[@]}}"; do
    mv "$dir/{WAITING}/$id" "$dir/{LOST}/$id" 2>/dev/null && continue
    [ -e "$dir/{LOST}/$id" ] || {{ : >"$dir/{KILL}/$id"; }} 2>/dev/null
  done
  return 0
}}
"""

# After a pilot's end: what it had is given back; whatever of it still lives finds its folder gone.
# A launcher may yet start a job on a node that hung: the attempt's script finds a claim then, one
# of jfcelery's own, which tells that the attempt has not begun (see ``frames``).
_BURY = f"""
seal() {{
  local folder attempt mine={GIVEN_UP}given-back
  folder=$(sed -n 's/^folder=//p' "$1"); attempt=$(sed -n 's/^attempt=//p' "$1")
  ln -s "$mine:${{1##*/}}" "$folder/{RunFolder.claim(0)[:-1]}${{attempt:-1}}" 2>/dev/null
}}
for pilot in @PILOTS@; do
  [ -d "$dir/{CLAIMED}/$pilot" ] || continue
  mv "$dir/{CLAIMED}/$pilot" "$dir/{CLAIMED}/.$pilot" || continue
done
for path in "$dir/{CLAIMED}"/.jfp-*/; do
  [ -d "$path" ] || continue
  for one in "$path"*; do
    if [ -e "$one" ]; then seal "$one"; mv "$one" "$dir/{LOST}/" || exit 1; fi
  done
  rmdir "$path"
done
for pilot in @PILOTS@; do rm -f "$dir/{PILOTS}/$pilot" "$dir/{KILL}/$pilot"; done
exit 0
"""

# A pilot that has not begun finds the wish when it does.
_DRAIN = f"""
mkdir -p "$dir/{KILL}" || exit 1
for pilot in @PILOTS@; do : >"$dir/{KILL}/$pilot" || exit 1; done
"""

# One line for each pilot: seconds since it was heard of by the file server's clock, and its words.
_HEARD = f"""
: >"$dir/{NEW}/.now.$$" 2>/dev/null
now=$(stat -c %Y "$dir/{NEW}/.now.$$" 2>/dev/null || date +%s)
rm -f "$dir/{NEW}/.now.$$"
for path in "$dir/{PILOTS}"/jfp-*; do
  [ -f "$path" ] || continue
  age=$((now - $(stat -c %Y "$path" 2>/dev/null || echo "$now")))
  echo "${{path##*/}}|$age|$(tr '\\n' ' ' <"$path")"
done
"""


class Pool(Scheduler):
    """The pool of one batch worker.

    Args:
        io: Makes the headers of scripts (qtoolkit's ``ShellIO``).
        folder: The worker's ``jobs_handle_dir``.
        order: What the entry of a job is sorted by; see :func:`order_of`.
    """

    name = "pool"
    id_variable = "JFC_QUEUE_ID"
    proof = FOOTER

    def __init__(self, io: Any, folder: PurePath, order: str = "") -> None:
        super().__init__(io)
        self.folder = folder
        self.order = order or order_of(0, 0)

    def script(self, body: str, resources: Mapping[str, Any] | QResources | None, name: str) -> str:
        """Return a script without a header: the resources are the pilot's."""
        del resources, name
        return f"#!/bin/bash\n{_MARK}{self.order}\n{_COLD}{body}"

    def submit_command(self, script: str) -> str:
        """Return the command that puts a job into the pool."""
        return self._filled(_SUBMIT).replace("submit.sh", script).replace("@ORDER@", self.order)

    def parse_submit(self, stdout: str) -> str | None:
        """Return the name of the entry."""
        found = ENTRY.search(stdout)
        return found[0] if found else None

    def list_command(self) -> str:
        """Return the command that lists the pool."""
        return self._filled(_LIST)

    def lookup_command(self) -> str:
        """Return the command that lists the pool, with the names of its jobs."""
        return self._filled(_HEAD + _LOOKUP)

    def cancel_command(self) -> str:
        """Return the command that takes jobs out of the pool, or has pilots kill them."""
        return self._filled(_CANCEL)

    def bury_command(self, pilots: tuple[str, ...]) -> str:
        """Return the command that gives back what pilots had that are dead for certain."""
        return self._for_pilots(_BURY, pilots)

    def drain_command(self, pilots: tuple[str, ...]) -> str:
        """Return the command that tells pilots to take no more jobs."""
        return self._for_pilots(_DRAIN, pilots)

    def heard_command(self) -> str:
        """Return the command that tells when pilots were heard of last, and what they said."""
        return self._filled("dir=@DIR@\n") + _HEARD

    def parse_list(self, output: Output) -> Listing:
        """Read a listing; of an entry that moved meanwhile the later place counts."""
        lines = output.stdout.splitlines()
        if HEADER not in lines or FOOTER not in lines:
            raise SchedulerDownError(f"the pool cannot be listed: {output.text}")
        rows = (_row(line) for line in lines[lines.index(HEADER) + 1 : lines.index(FOOTER)])
        return Listing({row.queue_id: row for row in rows if row})

    def _for_pilots(self, text: str, pilots: tuple[str, ...]) -> str:
        names = " ".join(map(shlex.quote, pilots))
        return (self._filled("dir=@DIR@\n") + text).replace("@PILOTS@", names)

    def _filled(self, text: str) -> str:
        return text.replace("@DIR@", shlex.quote(str(self.folder)))


def order_of(priority: int, created: float, number: int = 0, *, limit: int | None = None) -> str:
    """Return what sorts entries: the highest priority first, then the oldest, then by number.

    Args:
        priority: Of the job.
        created: When it was added, in Unix time.
        number: Of its short id, which tells apart those that were added at once.
        limit: Seconds that it takes at most, which pilots read there; None: it does not say.
    """
    rank = _HIGHEST - max(-_HIGHEST, min(priority, _HIGHEST))
    order = f"{rank:06d}{int(created * 1000):014d}{number:012d}"
    return order if limit is None else f"{order}.{limit}"


def _row(line: str) -> Row | None:
    entry, _, rest = line.partition("|")
    place, _, pilot = rest.partition("|")
    if not (found := ENTRY.match(entry)):
        return None
    if place == "waiting":
        return Row(entry, QueueState.QUEUED, "waits for a pilot", found[2])
    if place == "claimed":
        return Row(entry, QueueState.RUNNING, f"in pilot {pilot}", found[2])
    return Row(entry, QueueState.RETURNED, "given back by its pilot", found[2])
