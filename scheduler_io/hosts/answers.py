"""What a script of ours answers, and which error each answer is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jfcelery.errors import DiskFullError, JfceleryError, RunFolderError, TransferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.scheduler_io.hosts.archive import Source

#: Opens the line in which a script of ours gives its answer.
ANSWER = "jfc-answer:"

#: https://man7.org/linux/man-pages/man3/errno.3.html: ENOSPC, EDQUOT, EFBIG
#: The last is what tar says where the disk became full in the middle of a block.
_FULL = re.compile(
    r"no space left on device|quota exceeded|file too large|wrote only \d+ of \d+ bytes",
    re.IGNORECASE,
)
_RIGHTS = re.compile(r"permission denied|operation not permitted|read-only file", re.IGNORECASE)


def answers_of(stdout: str) -> list[tuple[str, str]]:
    """Return the word and the rest of every line in which a script answered."""
    found = []
    for line in stdout.splitlines():
        if line.startswith(ANSWER):
            word, _, rest = line[len(ANSWER) :].strip().partition(" ")
            found.append((word, rest))
    return found


def answer_of(stdout: str) -> tuple[str, str]:
    """Return the word and the rest of the line in which a script answered; ("", "") if none."""
    return next(iter(answers_of(stdout)), ("", ""))


def read_answers(source: Source) -> tuple[dict[int, str], str]:
    """Return what was answered about each folder, and the word that ends these answers."""
    said: dict[int, str] = {}
    while True:
        word, rest = answer_of(source.readline().decode(errors="replace"))
        if not word.isdecimal():
            return said, word
        said[int(word)] = rest.partition(" ")[0]


def by_number(answers: Sequence[tuple[str, str]], count: int) -> list[str]:
    """Return what was answered about each folder of a bundle; nothing about some is no error."""
    found = {word: rest for word, rest in answers if word.isdecimal()}
    return [found.get(str(number), "") for number in range(count)]


def storage_error(host: str, action: str, stderr: str) -> JfceleryError:
    """Return the error for an action on files that failed, by what the tools said.

    Args:
        host: The host's name.
        action: What failed, such as ``cannot write /scratch/x``.
        stderr: What the tools printed (in English).
    """
    said = last_line(stderr)
    if _FULL.search(stderr):
        return DiskFullError(
            f"{host}: {action}: the disk or quota is full ({said})",
            remedy="Free some space there; the jobs then go on by themselves.",
        )
    if _RIGHTS.search(stderr):
        return RunFolderError(
            f"{host}: {action}: no right to ({said})",
            remedy="Check work_dir in the project file, and its owner and mode on the host.",
        )
    if said:
        return RunFolderError(f"{host}: {action}: {said}")
    return TransferError(f"{host}: {action}: the command ended without an answer")


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-500:] if lines else ""
