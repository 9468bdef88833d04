"""Job arrays: jobs that ask the scheduler for the same go as one, each a numbered task of it.

This is bash that goes before the submission of one job after the other, and does it for those that
can go together. What may have happened to a job before is not looked at here: such a job is left
to the submission alone, as is one that finds no other like it, or no room.

A *place* is a folder of the array's own below the worker's ``work_dir``. It holds the array's
script, and for each task a link to its run folder, so that the scheduler itself opens the streams
there. The order of what is written makes a death harmless at any point: first each run folder
says, in ``.jfc_array.N``, by which name and number its job is to be sought; then each gets its
empty id file, which says that a submission may have been tried; only then is the array submitted.
"""

from __future__ import annotations

import secrets
import shlex
from typing import TYPE_CHECKING

from jfcelery.folders import ARRAY, PLACE

if TYPE_CHECKING:
    from pathlib import PurePath

#: Minutes after which a place is looked at: whether one of its jobs may still be begun.
STALE_MINUTES = 24 * 60

# Of the scheduler come `array_largest`, which prints how many tasks an array may have;
# `array_apart`, which tells by `$head` whether a job must go alone; `array_script`, which prints
# the script for the rows that are its arguments; and `array_submit`, for `$last`, the highest
# number, with `$array` as the name.
_ARRAYS = r"""
work=@WORK@
member() { split_row "${rows[$1]}"; name=$id; files_of_one; }
# Is a job new? It is entered, and its locks are held, but never waited for. `head` is its header,
# without what holds its name.
fresh_one() {
  local line ours= one two
  head=
  cd -- "$d" 2>/dev/null || return 1
  while IFS= read -r line; do
    case $line in
      "# Queue job $name") ours=yes; break ;;
      *"$name"*) ;;
      *) head+=$line$'\n' ;;
    esac
  done 2>/dev/null <submit.sh
  [ -n "$ours" ] || return 1
  { command exec {one}>>"$lock" {two}<.; } 2>/dev/null || return 1
  held+=("$one" "$two")
  flock -n "$one" 2>/dev/null; [ $? = 1 ] && return 1
  flock -n "$two" 2>/dev/null; [ $? = 1 ] && return 1
  [ . -ef "$d" ] && [ ! -e "$gone" ] && [ ! -e "$f" ] && [ ! -e "$s" ] && [ ! -L "$claim" ]
}
# Sort those that are new by what they ask for: numbers of rows.
sort_rows() {
  local i g head
  for i in "${!rows[@]}"; do
    member "$i"
    fresh_one || continue
    array_apart && continue
    for ((g = 0; g < ${#heads[@]}; g++)); do [ "${heads[g]}" = "$head" ] && break; done
    heads[g]=$head members[g]+=" $i"
  done
}
# Of so many, how many may go as one array?
room_for() {
  local one most who where many
  room=$1
  if [ -z "$largest" ]; then
    step counts
    largest=$(LC_ALL=C; export LC_ALL; array_largest 2>/dev/null)
    case $largest in '' | *[!0-9]*) largest=0 ;; esac
  fi
  [ "$room" -le "$largest" ] || room=$largest
  for one in "${limits[@]}"; do
    IFS='|' read -r most who where <<<"$one"
    step counts
    many=$(LC_ALL=C; export LC_ALL; count "${who:-$user}" "$where" 2>/dev/null) || return 1
    [ "$room" -le $((most - many)) ] || room=$((most - many))
  done
  [ "$room" -gt 1 ]
}
prepare_array() {
  local i n=0
  mkdir -- "$place" && array_script "$@" >"$place/submit.sh" || return 1
  for i; do
    member "$i"
    ln -s -- "$d" "$place/$n" && printf '%s %s\n' "$array" "$n" >"$d/$mark" || return 1
    n=$((n + 1))
  done
  for i; do member "$i"; : >"$d/$f" || return 1; done
}
# Nothing was submitted, and nobody else could: the locks are held.
undo_array() {
  local i
  for i; do member "$i"; rm -f -- "$d/$f" "$d/$mark"; done
  rm -rf -- "$place"
}
tell_array() {
  local i n=0
  for i; do
    member "$i"
    if [ "$rc" = 0 ]; then printf '%s\n' "$answer" >"$d/$f"; else : >"$d/$f"; fi
    say "submit out"; printf '%s' "$answer"
    say "submit err"; cat "$place/errors"
    [ "$rc" = 0 ] || [ -s "$place/errors" ] || room_in "$place/errors"
    say "submit rc $rc"
    say "task $name"; printf '%s %s' "$array" "$n"
    n=$((n + 1))
  done 2>/dev/null
}
# It fails if the scheduler did, slowly: then nothing more is tried.
one_array() {
  local i rc answer last=$(($# - 1)) start=$SECONDS number=$((++arrays))
  local array=@NAME@-$number-@TOKEN@ place=$work/@PLACE@-$number-@TOKEN@
  prepare_array "$@" 2>/dev/null || { undo_array "$@"; return 0; }
  step asks
  ( cd -- "$place" && array_submit ) >"$place/answer" 2>"$place/errors" </dev/null
  rc=$?
  answer=$(cat "$place/answer")
  tell_array "$@"
  for i; do rows[i]=; done
  [ "$rc" = 0 ] || [ $((SECONDS - start)) -lt 5 ]
}
# Places of which no job can begin any more: it ended, or its folder has no need of the array. One
# that a signal ended may have been preempted.
clean_places() {
  local place file end array
  find "$work" -maxdepth 1 -name '@PLACE@-*' -mmin +@STALE@ 2>/dev/null |
    while IFS= read -r place; do
      array=@NAME@-${place##*@PLACE@-}
      for file in "$place"/[0-9]*/.jfc_array.*; do
        grep -q "^$array " "$file" 2>/dev/null || continue
        end=${file%/*}/jfc_end.${file##*.}
        [ -s "$end" ] && ! grep -q '^signal=' "$end" || { touch "$place"; continue 2; }
      done
      rm -rf -- "$place"
    done
}
submit_arrays() {
  local fd g head largest= room arrays=0 rc=0 heads=() members=() held=()
  command -v flock >/dev/null 2>&1 || return 0
  step begins
  clean_places
  sort_rows
  for g in "${!heads[@]}"; do
    head=${heads[g]}
    set -- ${members[g]}
    while [ $# -gt 1 ] && room_for $#; do
      one_array "${@:1:room}" || { rc=1; break 2; }
      shift "$room"
    done
  done
  for fd in "${held[@]}"; do exec {fd}>&-; done
  return "$rc"
}
"""

# Rows that went in an array are empty; after a slow failure all others stay untried.
_CALL = r"""
if submit_arrays; then left=("${rows[@]}"); else left=(); fi
rows=(); for row in "${left[@]}"; do [ -z "$row" ] || rows+=("$row"); done
cd /
"""


def arrays_first(functions: str, work_dir: PurePath) -> str:
    """Return the part of a submission's frame that submits jobs as arrays.

    Args:
        functions: The scheduler's own part.
        work_dir: The worker's; places are below it.
    """
    values = {
        "WORK": shlex.quote(str(work_dir)),
        "NAME": ARRAY,
        "PLACE": PLACE,
        "STALE": f"{STALE_MINUTES}",
        "TOKEN": secrets.token_hex(8),
    }
    text = functions + _ARRAYS + _CALL
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
