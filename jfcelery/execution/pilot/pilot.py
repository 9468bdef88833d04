"""The loop of a pilot: claim, run, end, claim the next; ``jfc execution run-batch``.

It has one thread, and looks at everything when something happened (a child ended, a signal came)
or ``sleep`` seconds went by.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import PilotBuriedError
from jfcelery.execution.pilot.clock import TimeLeft, began_at
from jfcelery.execution.pilot.escort import ENDING
from jfcelery.execution.pilot.far import FAR_PATIENCE
from jfcelery.execution.pilot.handle import Handle, is_stale, limit_of
from jfcelery.execution.pilot.plan import Plan
from jfcelery.execution.pilot.processes import ENTRY_VARIABLE, kill_bearers
from jfcelery.execution.pilot.slots import available_cores, make_slots
from jfcelery.execution.pilot.starter import Starter
from jfcelery.execution.pilot.undertaker import Undertaker
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from jfcelery.execution.pilot.handle import Entry
    from jfcelery.execution.pilot.slots import Slot
    from jfcelery.execution.pilot.task import Task

#: Seconds between two signs of life.
BEAT = 10.0
#: Seconds between two looks at jobs that were told to end.
ENDING_LOOK = 0.1
#: Seconds after which a pool that cannot be read or written ends the pilot.
PATIENCE = 300.0
#: Seconds that jobs have to end when the pilot ends before them; more than a launcher that is told
#: to needs.
ENDING_PATIENCE = 60.0
#: Exit code of a pilot that was told that its jobs are given to others.
BURIED = 76
#: Exit code of a pilot that can start no job here, and has run none.
UNABLE = 1
#: Signals after which a pilot starts no more jobs: what Slurm sends before the time limit, and Grid
#: Engine before it stops a job.
DRAINING = (signal.SIGUSR1,)


def run_pilot(folder: str | Path) -> int:
    """Run the pilot whose plan lies in a folder; return its exit code."""
    folder = Path(folder).resolve()
    plan = Plan.read(folder)
    undertaker = Undertaker(plan.pilot, patience=FAR_PATIENCE if plan.launcher else 0.0)
    code = Pilot(plan, since=began_at(folder / RunFolder.status(1))).run()
    undertaker.dismiss()  # not after an error: something may be left to be killed
    return code


class Pilot:
    """One pilot.

    Args:
        plan: How it works.
        since: When its queue job began (Unix time); by default now.
    """

    def __init__(self, plan: Plan, since: float | None = None) -> None:
        self.plan = plan
        self.handle = Handle(plan.handle_dir, plan.pilot)
        self.time = TimeLeft(plan, os.environ, since)
        self.slots = make_slots(plan, available_cores(), os.environ)
        self.starter = Starter(plan)
        self.tasks: list[Task] = []
        self.drains = self.is_unable = False
        self.ends = 0  # by which signal
        self.begun = self.returned = self.passes_over = 0
        self._idle_since = time.monotonic()
        self._next_beat, self._said = 0.0, ""
        self._trouble_since: float | None = None
        self._reading, self._writing = os.pipe()

    def run(self) -> int:
        """Run jobs until there are no more, or the time is up.

        Raises:
            OSError: The pool cannot be read or written; all jobs were told to end.
        """
        self._listen()
        self.handle.open()
        if self.time.is_up:
            self._say("its time is up before it has begun; have pilots get more")
            self.is_unable = True  # so would the next one be
        try:
            while self._goes_on():
                self._try_turn()
                self._rest()
            with suppress(OSError):
                self._beat("finished")
        except PilotBuriedError as error:
            self._say(str(error))
            return BURIED
        finally:
            self._close()
        self.handle.close()
        if self.ends:  # the scheduler may begin it anew, as it does with what it preempts
            return 128 + self.ends
        return UNABLE if self.is_unable and not self.begun else 0

    def _listen(self) -> None:
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (*DRAINING, *ENDING):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.drains = True
        if number in ENDING:
            self.ends = number

    def _goes_on(self) -> bool:
        """Return whether there is anything left to do or to wait for."""
        if self.tasks:
            return True
        if not self._takes_more:
            return False
        waited = time.monotonic() - self._idle_since
        return self.plan.max_wait is None or waited <= self.plan.max_wait

    @property
    def _takes_more(self) -> bool:
        most = self.plan.max_jobs
        is_full = most is not None and self.begun >= most
        return not self.drains and not is_full and not self.time.is_up

    def _try_turn(self) -> None:
        """Look at everything; go on after an error of the file system, unless they don't end.

        Raises:
            OSError: They did not.
        """
        try:
            if self._trouble_since is not None:
                for name in self.handle.names() - {task.entry.name for task in self.tasks}:
                    self.handle.put_back(name)  # claimed, but not begun
            self._turn()
            self._trouble_since = None
        except OSError as error:
            now = time.monotonic()
            if self._trouble_since is None:
                self._trouble_since = now
                self._say(f"trouble with the pool: {error}")
            if now - self._trouble_since > PATIENCE:
                raise

    def _turn(self) -> None:
        """Look at everything once."""
        if self.ends:
            for task in self.tasks:
                task.tell()
        self._heed_wishes()
        for task in [task for task in self.tasks if task.has_ended()]:
            self._leave(task)
        self._fill()
        state = "running" if self._takes_more else "draining"
        if state != self._said or time.monotonic() >= self._next_beat:
            self._beat(state)

    def _heed_wishes(self) -> None:
        wishes = self.handle.wishes()
        self.drains = self.drains or self.plan.pilot in wishes
        for task in self.tasks:
            if task.entry.name in wishes:
                task.tell()

    def _leave(self, task: Task) -> None:
        """Take leave of a job: it came to its own end, or is given back."""
        if task.is_told:
            self.handle.give_back(task.entry.name)
            self.returned += 1
        elif task.never_begins():
            self._cannot_start(task.entry, _last_line(task.entry.folder / RunFolder.QUEUE_ERR))
            self.begun -= 1
        else:
            self.handle.done(task.entry.name)
            self.time.saw(task.age)
        self.tasks.remove(task)  # last: after an error it is tried again
        self._idle_since = time.monotonic()

    def _fill(self) -> None:
        taken = {task.slot.number for task in self.tasks}
        free = [slot for slot in self.slots if slot.number not in taken]
        names = self._fitting() if free and self._takes_more else iter(())
        for slot in free:
            if not self._takes_more or not self._fill_one(slot, names):
                return

    def _fitting(self) -> Iterator[str]:
        """Return what waits and can end here; an idle pilot drains if nothing can.

        Another one gets its place then, and what waits. While it has jobs it goes on: short ones
        may come.
        """
        waiting = self.handle.waiting()
        fitting = [name for name in waiting if self.time.allows(limit_of(name))]
        limits = (limit_of(name) for name in set(waiting).difference(fitting))
        self.passes_over = int(min((one for one in limits if one is not None), default=0))
        if waiting and not fitting and not self.tasks:
            self.drains = True
            if self.time.is_new and not self.begun:
                self._say("its time is too short for any job that waits; have pilots get more")
                self.is_unable = True  # so would the next one be
        return iter(fitting)

    def _fill_one(self, slot: Slot, names: Iterator[str]) -> bool:
        """Start the first job that this pilot gets; return whether there was one."""
        for name in names:
            entry = self.handle.claim(name)
            if entry is not None and self._start(entry, slot):
                return True
            if self.drains:
                break
        return False

    def _start(self, entry: Entry, slot: Slot) -> bool:
        """Start a job, or leave it to another pilot where this one cannot start it."""
        try:
            if self.handle.is_unwanted(entry.name):
                self.handle.give_back(entry.name)
                return False
            if is_stale(entry):
                self._say(f"{entry.folder} is gone, or holds another attempt than {entry.job}")
                self.handle.give_back(entry.name)
                return False
            self.tasks.append(self.starter.start(entry, slot))
        except OSError as error:
            kill_bearers(ENTRY_VARIABLE, entry.name)  # it may have failed after the fork
            self._cannot_start(entry, str(error))
            return False
        self.begun += 1
        return True

    def _cannot_start(self, entry: Entry, why: str) -> None:
        """Leave a job, and all others, to other pilots: what is wrong is this node, not the job."""
        self._say(f"{entry.job} cannot be started here, nor will others be: {why}")
        self.drains = self.is_unable = True
        self.handle.put_back(entry.name)

    @staticmethod
    def _say(text: str) -> None:
        print(f"jfcelery: {text}", file=sys.stderr)  # noqa: T201

    def _rest(self) -> None:
        """Wait until something happens, or it is time to look."""
        pause = ENDING_LOOK if any(task.is_told for task in self.tasks) else self.plan.sleep
        select.select([self._reading], [], [], pause)
        with suppress(BlockingIOError):
            while os.read(self._reading, 512):
                pass

    def _beat(self, state: str) -> None:
        self._next_beat = time.monotonic() + BEAT
        self._said = state
        self.handle.beat(
            {
                "state": state,
                "host": platform.node(),
                "pid": os.getpid(),
                "slots": len(self.slots),
                "running": len(self.tasks),
                "begun": self.begun,
                "returned": self.returned,
                "passes_over": self.passes_over,
            }
        )

    def _close(self) -> None:
        """Leave no job behind, whoever has it now, and however the pilot ends."""
        try:
            self._end_all()
        finally:
            self.starter.close()

    def _end_all(self) -> None:
        """Tell all jobs to end, and wait for that: those of launchers end in no other way."""
        until = time.monotonic() + ENDING_PATIENCE
        for task in self.tasks:
            task.tell()
        while self.tasks and time.monotonic() < until:
            self.tasks = [task for task in self.tasks if not task.has_ended()]
            time.sleep(ENDING_LOOK)


def _last_line(path: Path) -> str:
    with suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "the launcher said nothing"
    return "the launcher left no word"
