"""The pool as a pilot sees it: files that are taken and given back by renaming them.

A rename either succeeds for one, or fails; so nothing is ever locked, and a pilot that dies leaves
nothing behind but the files in the folder that bears its name.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import PilotBuriedError
from jfcelery.folders import GIVEN_UP, RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Folders of a pool: entries that wait, that pilots have (one folder each), that came back; wishes
#: to kill a job or drain a pilot; what pilots say of themselves; files that are being written.
WAITING, CLAIMED, LOST, KILL, PILOTS, NEW = "pool", "claimed", "lost", "kill", "pilots", "new"
FOLDERS = (WAITING, CLAIMED, LOST, KILL, PILOTS, NEW)


@dataclass(frozen=True)
class Entry:
    """A job in the pool.

    Args:
        name: Of the file; the queue id of the job.
        folder: The run folder.
        job: Unique name of the attempt, which stands in the script.
        attempt: Its number.
    """

    name: str
    folder: Path
    job: str
    attempt: int = 1


def entry_of(name: str, text: str) -> Entry | None:
    """Read the file of an entry; None if it makes no sense."""
    parts = (line.partition("=") for line in text.splitlines())
    facts = {key: value for key, _, value in parts}
    if not facts.get("folder") or not facts.get("name"):
        return None
    attempt = facts.get("attempt", "")
    number = int(attempt) if attempt.isdigit() else 1
    return Entry(name, Path(facts["folder"]), facts["name"], number)


def is_script_of(text: str, job: str) -> bool:
    """Return whether a script is that of an attempt, by the attempt's unique name."""
    return f"{job}\n" in text


def is_stale(entry: Entry) -> bool:
    """Return whether the folder of a job is gone, or a newer attempt has it.

    Raises:
        OSError: It cannot be seen from here; nor can any, as ``work_dir`` is missing or empty.
    """
    try:
        text = (entry.folder / RunFolder.SCRIPT).read_text(errors="replace")
    except FileNotFoundError:
        work_dir = [*entry.folder.parents][:4][-1]
        if not any(work_dir.iterdir()):
            raise
        return True
    return not is_script_of(text, entry.job)


def limit_of(name: str) -> float | None:
    """Return the seconds that a job says to take at most; None if the name of its entry tells none.

    It stands in the name, behind the order, so that a pilot need not open what it leaves alone.
    """
    seconds = name.partition("-")[0].partition(".")[2]
    return float(seconds) if seconds.isdigit() else None


def takes_turn(folder: Path, attempt: int, pilot: str, word: str) -> bool:
    """Return whether of two that exclude each other the one with this word came first.

    The escort of a job begins it, or its pilot, whose launcher failed, lets it wait for others.

    Args:
        folder: The run folder.
        attempt: Number of the attempt.
        pilot: Name of the pilot.
        word: Names who asks.

    Raises:
        OSError: That cannot be settled.
    """
    turn = folder / RunFolder.turn(attempt, pilot)
    try:
        turn.symlink_to(word)
    except FileExistsError:  # over NFS also where it is ours, and the first answer got lost
        return str(turn.readlink()) == word
    return True


class Handle:
    """One pilot's hold on a pool.

    Args:
        folder: The worker's ``jobs_handle_dir``.
        pilot: Name of the pilot.
    """

    def __init__(self, folder: Path, pilot: str) -> None:
        self.folder, self.pilot = folder, pilot
        self._own = folder / CLAIMED / pilot

    def open(self) -> None:
        """Make the folders; give back what a former life of this pilot had, which is dead."""
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._own.mkdir(exist_ok=True)
        for path in list(self._own.iterdir()):
            self.give_back(path.name)

    def waiting(self) -> list[str]:
        """Return the names of the entries that wait, in the order in which they are to run."""
        try:
            names = [path.name for path in (self.folder / WAITING).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name[:1].isdigit())

    def claim(self, name: str) -> Entry | None:
        """Take an entry; None if somebody else has it, or it makes no sense.

        Raises:
            PilotBuriedError: This pilot counts as dead.
        """
        mine = self._own / name
        if not self._move(self.folder / WAITING / name, mine) and not mine.exists():
            self.check()
            return None
        # Over NFS, a rename whose answer got lost is told to have failed: so we look.
        try:
            entry = entry_of(name, mine.read_text())
        except FileNotFoundError:
            self.check()
            return None
        if entry is None:
            self.give_back(name)
        return entry

    def done(self, name: str) -> None:
        """Take an entry out of the pool whose job has come to its own end."""
        (self._own / name).unlink(missing_ok=True)
        (self.folder / KILL / name).unlink(missing_ok=True)

    def give_back(self, name: str) -> None:
        """Put an entry where the runner sees that its job must run again, as a new attempt."""
        self._seal(name)
        self._move(self._own / name, self.folder / LOST / name)
        (self.folder / KILL / name).unlink(missing_ok=True)

    def is_unwanted(self, name: str) -> bool:
        """Return whether an entry is to be killed."""
        return (self.folder / KILL / name).exists()

    def put_back(self, name: str) -> None:
        """Let an entry wait again whose job was not begun, for another pilot."""
        if self.is_unwanted(name):
            self.give_back(name)
        else:
            self._move(self._own / name, self.folder / WAITING / name)

    def names(self) -> set[str]:
        """Return the entries that are this pilot's."""
        return {path.name for path in self._own.iterdir()}

    def wishes(self) -> set[str]:
        """Return the entries that are to be killed, and the pilots that are to take no more."""
        try:
            return {path.name for path in (self.folder / KILL).iterdir()}
        except FileNotFoundError:
            return set()

    def check(self) -> None:
        """Look whether this pilot still counts as living.

        Raises:
            PilotBuriedError: It does not: its jobs are given to others.
        """
        if not self._own.is_dir():
            raise PilotBuriedError(f"pilot {self.pilot} counts as dead, and ends")

    def beat(self, facts: Mapping[str, object]) -> None:
        """Say that the pilot lives, and what it does.

        Raises:
            PilotBuriedError: It counts as dead.
        """
        self.check()
        text = "".join(f"{key}={value}\n" for key, value in facts.items())
        fresh = self.folder / NEW / f"{self.pilot}.{os.getpid()}"
        try:
            fresh.write_text(f"{text}time={time.time():.0f}\n")
            fresh.replace(self.folder / PILOTS / self.pilot)
        except OSError:  # a full disk neither ends the pilot, nor makes it silent
            with suppress(OSError):
                os.utime(self.folder / PILOTS / self.pilot)

    def close(self) -> None:
        """Leave the pool, empty-handed."""
        with suppress(OSError):
            self._own.rmdir()
        (self.folder / KILL / self.pilot).unlink(missing_ok=True)

    def _seal(self, name: str) -> None:
        """See that nobody begins this attempt any more: a launcher may be about to, on a node."""
        with suppress(OSError):
            entry = entry_of(name, (self._own / name).read_text())
            if entry is not None:
                claim = entry.folder / RunFolder.claim(entry.attempt)
                claim.symlink_to(f"{GIVEN_UP}given-back:{self.pilot}")

    @staticmethod
    def _move(source: Path, target: Path) -> bool:
        try:
            source.rename(target)
        except FileNotFoundError:
            return False
        return True
