"""What a job wrote so far, and what it writes meanwhile: the ends of files in its run folder."""

from __future__ import annotations

import base64
import binascii
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.errors import RunFolderError
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.scheduler_io.hosts.base import Host

#: Bytes of a file that the first look goes back.
FIRST = 64 * 1024
#: Bytes of a file that one look brings at most.
AT_ONCE = 256 * 1024
#: What the queue job writes to stdout and stderr.
LOGS = (RunFolder.QUEUE_OUT, RunFolder.QUEUE_ERR)
#: Exit code of the script where there is no folder.
_NO_FOLDER = 3
# As base64, so that no byte is changed on its way. A file that got shorter was begun anew.
_LOOK = r"""
look() {
  [ -f "$1" ] || return 0
  size=$(wc -c <"$1") || return 0
  from=$2
  if [ "$from" -lt 0 ]; then from=$((size > @FIRST@ ? size - @FIRST@ : 0)); fi
  if [ "$from" -gt "$size" ]; then from=0; fi
  text=$(tail -c "+$((from + 1))" "$1" | head -c @AT_ONCE@ | base64 | tr -d '\n')
  printf 'log %s %s %s\n' "$1" "$from" "$text"
}
"""


@dataclass(frozen=True)
class Piece:
    """A part of a file.

    Args:
        name: The file's name.
        text: What is new in it.
        start: Byte at which that begins.
    """

    name: str
    text: bytes
    start: int


class LogTail:
    """Follows files of one run folder; each look brings what is new since the one before.

    Args:
        folder: The run folder.
        names: Names of the files.
    """

    def __init__(self, folder: RunFolder, names: Sequence[str] = LOGS) -> None:
        self.folder = folder
        self._offsets = dict.fromkeys(names, -1)

    def look(self, host: Host) -> list[Piece]:
        """Return what is new, in one round trip; files that are not there yet have nothing.

        Raises:
            RunFolderError: The folder is not there.
            HostError: The host cannot be reached.
        """
        result = host.run(self._script())
        if result.exit_code == _NO_FOLDER:
            raise RunFolderError(f"{host.name}: the run folder {self.folder} is not there")
        pieces = [piece for line in result.stdout.splitlines() if (piece := _read(line))]
        for piece in pieces:
            self._offsets[piece.name] = piece.start + len(piece.text)
        return [piece for piece in pieces if piece.text]

    def _script(self) -> str:
        look = _LOOK.replace("@FIRST@", str(FIRST)).replace("@AT_ONCE@", str(AT_ONCE))
        calls = [f"look {shlex.quote(name)} {start}" for name, start in self._offsets.items()]
        enter = f"cd {shlex.quote(str(self.folder))} 2>/dev/null || exit {_NO_FOLDER}"
        return "\n".join([look, enter, *calls])


def _read(line: str) -> Piece | None:
    """Read a line of the script's answer; None for anything else."""
    word, _, rest = line.partition(" ")
    name, _, rest = rest.partition(" ")
    start, _, text = rest.partition(" ")
    if word != "log" or not start.isdigit():
        return None
    try:
        return Piece(name, base64.b64decode(text, validate=True), int(start))
    except binascii.Error:
        return None
