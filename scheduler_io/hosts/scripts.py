"""The shell scripts by which run folders are written, read and removed: one round trip each.

POSIX sh with GNU or BSD tools. Each prints one answer line (see ``answers``), so that what rc
files print is never taken for it.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from jfcelery.folders import ARRAY, GIVEN_UP, PLACE, RunFolder
from jfcelery.scheduler_io.hosts.answers import ANSWER
from jfcelery.scheduler_io.hosts.archive import SUMS
from jfcelery.scheduler_io.hosts.wire import PRELUDE, quote_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath, PurePosixPath

#: Where the run folders of a bundle arrive, below the worker's ``work_dir``; a token follows.
BUNDLE = ".jfc_bundle"
#: The file of a bundle that says where each of its folders goes.
ROWS = ".jfc_rows"
#: Bytes of files that come together in one stream; a folder that does not fit comes alone.
MOST_BYTES = 64 * 1024 * 1024
#: Minutes after which what an interrupted transfer left is taken to be dead.
STALE_MINUTES = 24 * 60

_COMMON = (
    PRELUDE
    + f"say() {{ echo '{ANSWER}' \"$@\"; exit 0; }}\n"
    + f"marker={shlex.quote(RunFolder.MARKER)} input={shlex.quote(RunFolder.INPUT)}\n"
    + f"claim_stem={RunFolder.claim(0)[:-1]} given_up={GIVEN_UP}\n"
    + """\
attempt_of() { sed -n '1s/^{"attempt": \\([0-9][0-9]*\\).*/\\1/p' "$1/$marker" 2>/dev/null; }
sums() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256 "$@"
  else return 3; fi
}
place() {
  if mv -T "$1" "$2" 2>/dev/null; then return 0; fi
  if [ -e "$2" ]; then echo "$2 is in the way" >&2; return 1; fi
  mv "$1" "$2"
}
"""
)

_LOOK = """\
spare=$old_name.0
look() {
  [ -e "$f" ] || return 0
  old=$(attempt_of "$f")
  # A folder that jobflow-remote made for this very job is an attempt before the first of ours.
  if [ -z "$old" ] && [ -f "$f/$input" ]; then old=0; fi
  if [ -z "$old" ]; then  # unless somebody else is replacing it just now
    sleep 1
    [ -e "$f" ] || return 0
    old=$(attempt_of "$f")
  fi
  [ -n "$old" ] || say foreign
  if [ "$old" -gt "$a" ]; then say newer "$old"; fi
  if [ "$old" -eq "$a" ]; then
    if [ -e "$f/$idfile" ] || [ -e "$f/$status" ]; then say kept; fi
    aside=$spare
  else
    aside=$f.attempt$old
  fi
}
carry() {
  from=$f
  if [ ! -e "$f" ]; then  # it was moved aside when an earlier try died
    n=$a
    until [ -d "$from" ]; do
      n=$((n - 1)); [ $n -ge 0 ] || return 0
      from=$f.attempt$n
    done
  fi
  cd "$from" || return 1
  for name in * .[!.]* ..?*; do
    case $name in $own_files) continue ;; esac
    if { [ -e "$name" ] || [ -L "$name" ]; } && [ ! -e "$t/$name" ]; then
      cp -al -- "$name" "$t/$name" 2>/dev/null ||
        { rm -rf "$t/$name" && cp -pPR -- "$name" "$t/$name"; } || return 1
    fi
  done
}
"""

_RECEIVE = """\
n=0
until mkdir -p "${t%/*}" && mkdir "$t"; do
  n=$((n + 1)); [ $n -lt 3 ] || say cannot-make
done
trap 'rm -rf "$t"' EXIT
trap 'exit 1' HUP INT TERM PIPE
(cd "$t" && tar xof -) || say cannot-write
[ -f "$t/$list" ] || say cut-short
(cd "$t" && { sums -c "$list" >/dev/null || [ $? -eq 3 ]; }) || say damaged
rm -f "$t/$list"
"""

_PLACE = """\
[ "$keep" = no ] || (carry) || say cannot-write
# A queue job of an earlier attempt that its scheduler forgot, and remembers, begins nothing here.
n=$a
while [ "$n" -gt 1 ]; do
  n=$((n - 1)); ln -s "${given_up}over" "$t/$claim_stem$n" || say cannot-write
done
n=0
while :; do
  n=$((n + 1)); spare=$old_name.$n; aside= locked=yes
  [ $n -le 50 ] || say cannot-move
  if command -v flock >/dev/null 2>&1; then
    locked=no
    if [ -d "$f" ]; then
      command exec 9<"$f" || continue
      flock -w 30 9 2>/dev/null; [ $? -ne 1 ] || say busy
      # Who waited may hold a folder that was moved aside meanwhile.
      if [ -e /dev/fd/9 ] && ! [ "$f" -ef /dev/fd/9 ]; then continue; fi
      locked=yes
    fi
  fi
  look
  if [ -n "$aside" ] && [ $locked = no ]; then continue; fi  # it came between
  if [ -n "$aside" ]; then
    if [ "$aside" != "$spare" ] && [ -f "$aside/$marker" ]; then rm -rf "$aside"; fi
    place "$f" "$aside" || continue
  fi
  if place "$t" "$f"; then break; fi
  if [ -n "$aside" ] && [ ! -e "$f" ]; then place "$aside" "$f"; fi
done
for d in "$old_name".*; do if [ -e "$d" ]; then rm -rf "$d"; fi; done
"""

_PUBLISHED = """\
find "${f%/*}" -maxdepth 1 -name "${f##*/}.tmp-*" -mmin +$stale -exec rm -rf {} + 2>/dev/null
say published
"""

# All folders of a bundle arrive in one, under their numbers; then each is put in its place on its
# own, as if it had come alone. A row: number, attempt, whether to keep files, folder.
_EACH = """\
tab=$(printf '\\t')
while IFS=$tab read -r number a keep f; do
  (
    say() { echo "$answer" "$number" "$@" "$(tail -n 1 "$bundle/errors")"; exit 0; }
    exec 2>"$bundle/errors"
    t=$bundle/$number old_name=$f.old-$token idfile=$id_stem$a status=$status_stem$a
    mkdir -p "${f%/*}" || say cannot-make
@@PLACE@@
    echo "$answer" "$number" published
  ) </dev/null
done <"$bundle/$rows"
find "${bundle%/*}" -maxdepth 1 -name "$stem-*" -mmin +$stale -exec rm -rf {} + 2>/dev/null
say done
"""

_OWN_FILES = "|".join(RunFolder.OWN)

_FETCH = """\
[ -d "$f" ] || say missing
cd "$f" || say cannot-read
set -- dummy
nl='
'
seen=$nl
for name in $patterns_here; do
  case $seen in *"$nl$name$nl"*) continue;; esac
  if [ -f "$name" ]; then set -- "$@" "$name"; seen=$seen$name$nl; fi
done
shift
[ $# -gt 0 ] || say nothing
list=$(sums -- "$@") || {
  [ $? -eq 3 ] || say cannot-read
  list=$(for name in "$@"; do echo "-  $name"; done)
}
echo "$answer files"
printf '%s\\n\\n' "$list"
tar chf - -- "$@"
"""

# The files of many folders, by their paths below one that all have in common. `each NUMBER FOLDER
# NAME...` adds those of one folder to the list; beyond so many bytes a folder is left for later.
_FETCH_ALL = """\
cd "$w" || say cannot-read
nl='
'
all=$nl total=0
each() {
  number=$1 dir=$2 found=
  shift 2
  if [ ! -d "$dir" ]; then echo "$answer $number missing"; return; fi
  if [ ! -r "$dir" ] || [ ! -x "$dir" ]; then
    echo "$dir: Permission denied" >&2; echo "$answer $number cannot-read"; return
  fi
  for name in "$@"; do
    case $nl$found in *"$nl$name$nl"*) continue;; esac
    if [ -f "$name" ]; then found=$found$name$nl; fi
  done
  if [ -n "$found" ]; then
    size=$(IFS=$nl; set -f; ls -lnLd -- $found | awk '{ s += $5 } END { printf "%.0f", s }')
    if [ "$all" != "$nl" ] && [ $((total + size)) -gt $most ]; then
      echo "$answer $number later"; return
    fi
    total=$((total + size)) all=$all$found
  fi
  echo "$answer $number found"
}
$folders_here
[ "$all" != "$nl" ] || say nothing
IFS=$nl; set -f; set -- $all; set +f; unset IFS
list=$(sums -- "$@") || {
  [ $? -eq 3 ] || say cannot-read
  list=$(for name in "$@"; do echo "-  $name"; done)
}
echo "$answer files"
printf '%s\\n\\n' "$list"
tar chf - -- "$@"
"""

_READ = """\
if [ ! -e "$p" ]; then
  d=${p%/*}
  if [ -e "$d" ] && [ ! -x "$d" ]; then echo "$d: Permission denied" >&2; say cannot-read; fi
  say missing
fi
[ -r "$p" ] || { echo "$p: Permission denied" >&2; say cannot-read; }
echo "$answer text"
"""

_REMOVE = """\
removed=no arrays=
owned() {
  noted=$1/$marker
  [ -f "$noted" ] || return 1
  shift
  for entry in "$@"; do grep -qF -e "$entry," -e "$entry}" "$noted" || return 1; done
}
# The place of an array goes with the last of its run folders (see ``arrays``).
note_arrays() {
  for noted in "$1"/.jfc_array.*; do
    read -r one _ 2>/dev/null <"$noted" || continue
    case ${one#"$array-"} in *[!0-9a-f-]* | '') ;; *) arrays="$arrays ${one#"$array-"}" ;; esac
  done
}
clear_places() {
  for one in $arrays; do
    used=
    for link in "$1/$place-$one"/[0-9]*; do if [ -d "$link" ]; then used=yes; fi; done
    [ -n "$used" ] || rm -rf "$1/$place-$one"
  done
}
clear() {
  find "$1" -mindepth 1 -maxdepth 1 ! -name "$marker" -exec rm -rf {} + && rm -rf "$1"
}
for d in "$f" "$f".attempt*; do
  if owned "$d" $owner_here; then
    note_arrays "$d"
    clear "$d" || say cannot-remove
    removed=yes
  fi
done
clear_places "${f%/*/*/*/*}"
if [ -d "$f" ]; then say foreign; fi
for d in "$f".tmp-* "$f".old-*; do
  if [ -d "$d" ]; then rm -rf "$d" || say cannot-remove; removed=yes; fi
done
d=${f%/*}
rmdir "$d" 2>/dev/null && d=${d%/*} && rmdir "$d" 2>/dev/null && rmdir "${d%/*}" 2>/dev/null
say $removed
"""


def variables(**values: object) -> str:
    """Return the lines that set shell variables."""
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def kill(pid: int, token: str) -> str:
    """Return the script that kills the process group of a command of ours, if it still runs."""
    return f"""\
case $(ps -o args= -p {pid} 2>/dev/null) in *{token}*) ;; *) exit 0;; esac
g=$(ps -o pgid= -p {pid} | tr -d ' ')
[ "${{g:-1}}" -gt 1 ] || exit 0
kill -TERM -- "-$g" 2>/dev/null
sleep 1
kill -KILL -- "-$g" 2>/dev/null
exit 0
"""


def publish(folder: RunFolder, attempt: int, token: str, *, keep: bool = False) -> str:
    """Return the script that takes a tar stream and puts it in the place of a run folder.

    With ``keep``, what the attempt before left comes along, as hard links where those are possible:
    the folder is still put in place whole or not at all, and nothing large is copied.
    """
    names = variables(
        f=folder,
        a=attempt,
        t=f"{folder}.tmp-{token}",
        old_name=f"{folder}.old-{token}",
        list=SUMS,
        idfile=RunFolder.queue_id(attempt),
        status=RunFolder.status(attempt),
        stale=STALE_MINUTES,
        keep="yes" if keep else "no",
    )
    text = _LOOK + "look\n" + _RECEIVE + _PLACE + _PUBLISHED
    return _COMMON + names + text.replace("$own_files", _OWN_FILES)


def publish_all(work_dir: PurePosixPath, token: str) -> str:
    """Return the script that takes many run folders in one tar stream and puts each in its place.

    It answers one line a folder: its number and the word that ``publish`` answers.
    """
    bundle = work_dir / f"{BUNDLE}-{token}"
    names = variables(
        t=bundle,
        bundle=bundle,
        stem=BUNDLE,
        token=token,
        list=SUMS,
        rows=ROWS,
        answer=ANSWER,
        id_stem=RunFolder.queue_id(0)[:-1],
        status_stem=RunFolder.status(0)[:-1],
        stale=STALE_MINUTES,
    )
    text = _LOOK.replace("spare=$old_name.0\n", "") + _RECEIVE + _EACH.replace("@@PLACE@@", _PLACE)
    return _COMMON + names + text.replace("$own_files", _OWN_FILES)


def fetch(folder: RunFolder, patterns: Sequence[str]) -> str:
    """Return the script that prints checksums, an empty line and a tar stream of some files."""
    here = " ".join(quote_pattern(pattern) for pattern in patterns)
    names = variables(f=folder, answer=ANSWER)
    return _COMMON + names + _FETCH.replace("$patterns_here", here)


def fetch_all(work_dir: PurePath, folders: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the script that prints one tar stream with files of many folders.

    Args:
        work_dir: The folder below which all of them are.
        folders: Path below it, and patterns, of each.
    """
    calls = []
    for number, (place, patterns) in enumerate(folders):
        names = " ".join(quote_pattern(f"{place}/{pattern}") for pattern in patterns)
        calls.append(f"each {number} {shlex.quote(place)} {names}")
    values = variables(w=work_dir, answer=ANSWER, most=MOST_BYTES)
    return _COMMON + values + _FETCH_ALL.replace("$folders_here", "\n".join(calls))


def read_text(path: PurePosixPath, tail: int | None) -> str:
    """Return the script that prints a file, or its last bytes."""
    reader = "cat" if tail is None else f"tail -c {int(tail)}"
    return _COMMON + variables(p=path, answer=ANSWER) + _READ + f'{reader} < "$p"\n'


def remove(folder: RunFolder, owner: Mapping[str, object]) -> str:
    """Return the script that removes a run folder and what belongs to it.

    Only folders are removed whose markers hold all that ``owner`` does.
    """
    entries = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in owner.items()]
    text = _REMOVE.replace("$owner_here", " ".join(map(shlex.quote, entries)))
    return _COMMON + variables(f=folder, array=ARRAY, place=PLACE) + text
