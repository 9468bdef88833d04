"""The shell scripts around an archive that SFTP brings or takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.scheduler_io.hosts.answers import ANSWER
from jfcelery.scheduler_io.hosts.scripts import STALE_MINUTES, variables
from jfcelery.scheduler_io.hosts.wire import PRELUDE

if TYPE_CHECKING:
    from pathlib import PurePosixPath

#: What a transfer leaves for a moment in the worker's ``work_dir``; a token follows.
ARCHIVE = ".jfc_archive"
#: Looks, a second apart, at a file that another machine has written.
VISIBLE_TRIES = 30

# What transfers left that were interrupted a day ago or more.
_SWEEP = """\
find "${p%/*}" -maxdepth 1 -name "$stem-*" -mmin +$stale -exec rm -f {} + 2>/dev/null
"""

_AWAIT = """\
n=0
until [ "$(wc -c <"$p" 2>/dev/null | tr -d ' ')" = "$size" ]; do
  n=$((n + 1))
  if [ $n -gt $tries ]; then echo "$answer cut-short"; exit 0; fi
  sleep 1
done
command exec 0<"$p" || exit 1
rm -f "$p"
"""

_PRINT_INTO = """\
(
$script_here
) >"$p" </dev/null &
pid=$!
{ seen=
  while sleep 5 >/dev/null </dev/null; do  # it outlives us: no stream of ours may stay open
    now=$(wc -c <"$p")
    [ "$now" = "$seen" ] || echo "$now"
    seen=$now
  done; } 2>/dev/null &
beat=$!
wait $pid; code=$?
kill $beat 2>/dev/null
wc -c <"$p"
"""

_FILL = """\
head -c $size /dev/zero >>"$p"
rm -f "$p"
"""


def from_archive(archive: PurePosixPath, size: int, script: str) -> str:
    """Return a script that reads its input from a file, which is gone afterwards.

    Another machine may have written it: on a network file system it takes a while to be seen whole.
    """
    names = _names(archive) + variables(size=size, tries=VISIBLE_TRIES, answer=ANSWER)
    return PRELUDE + names + _AWAIT + _SWEEP + script


def into_archive(archive: PurePosixPath, script: str) -> str:
    """Return a script that prints into a new file, and from time to time how large that is.

    The last line of its output is the size of the file.
    """
    body = _PRINT_INTO.replace("$script_here", script)
    return PRELUDE + _names(archive) + body + _SWEEP + "exit $code\n"


def _names(archive: PurePosixPath) -> str:
    return variables(p=archive, stem=ARCHIVE, stale=STALE_MINUTES)


def fill(archive: PurePosixPath, size: int) -> str:
    """Return a script that writes on where a file ends, to hear what is wrong, and removes it."""
    return PRELUDE + variables(p=archive, size=size) + _FILL
