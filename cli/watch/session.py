"""What a person looks at and does in the view; knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.cli.output import counted
from jfcelery.cli.watch.snapshot import Snapshot, take
from jfcelery.cli.watch.view import screen
from jfcelery.controller.bulk import Manner
from jfcelery.controller.filters import JobFilter
from jfcelery.errors import JfceleryError
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from jfcelery.controller import JobController
    from jfcelery.controller.actions import Actions
    from jfcelery.controller.bulk import Result

#: The keys that move about.
MOVING = "↑↓ Enter open  Esc back  q quit"
#: Seconds that an action waits for jobs that a step works on: the view stands still meanwhile.
WAIT = 3.0


@dataclass(frozen=True)
class Deed:
    """Something that a key does to the chosen flow's jobs, or the chosen job.

    Args:
        name: The verb.
        act: Does it.
        states: Of a flow's jobs only those in these states; empty for all.
    """

    name: str
    act: Callable[[Actions, JobFilter, Manner], Result]
    states: tuple[JobState, ...] = ()


#: What keys do, after a question.
DEEDS: dict[str, Deed] = {
    "p": Deed("pause", lambda a, s, m: a.pause(s, m), (JobState.READY, JobState.WAITING)),
    "r": Deed(
        "resume",
        lambda a, s, m: a.resume(s, m),
        (JobState.PAUSED, JobState.STOPPED, JobState.USER_STOPPED),
    ),
    "t": Deed("retry", lambda a, s, m: a.retry(s, m), (JobState.REMOTE_ERROR,)),
    "R": Deed("rerun", lambda a, s, m: a.rerun(s, m), (JobState.FAILED, JobState.REMOTE_ERROR)),
    "s": Deed("stop", lambda a, s, m: a.stop(s, m)),
}


class Session:
    """The view's state: what is looked at, which row is chosen, which question is open.

    Args:
        controller: The project's controller.
        flow: uuid of the flow to look at first; None for the list of flows.
    """

    def __init__(self, controller: JobController, flow: str | None = None) -> None:
        self.controller = controller
        self.flow = flow
        self.chosen = 0
        self.message = ""
        self.ended = False
        self._above = 0
        self._asked: tuple[Deed, JobFilter] | None = None
        self._moment: Snapshot | None = None

    def look(self) -> None:
        """Look at the database; what is wrong with it is said, and looked at again later."""
        try:
            self._moment = take(self.controller, self.flow)
        except JfceleryError as error:
            self.message = error.message
            return
        self.chosen = min(self.chosen, max(len(self._rows()) - 1, 0))

    def screen(self, width: int, height: int) -> RenderableType:
        """Return the view for a terminal of some size; without a height, all of it."""
        if self._moment is None:
            return self.message or "Looking …"
        return screen(
            self._moment,
            self.chosen,
            width=width,
            height=height,
            message=self.message,
            keys=self._keys() if height else "",
        )

    def press(self, key: str) -> bool:
        """Do what a key means; return whether the database should be looked at anew."""
        if self._asked is not None:
            return self._answer(key)
        self.message = ""
        if key == "q":
            self.ended = True
        elif key in {"up", "k", "down", "j", "home", "end", "pageup", "pagedown"}:
            self._move(key)
        elif key == "enter":
            return self._open()
        elif key in {"escape", "left", "backspace"}:
            return self._back()
        elif key in DEEDS:
            self._ask(DEEDS[key])
        return False

    def _rows(self) -> tuple[object, ...]:
        if self._moment is None:
            return ()
        return self._moment.jobs if self._moment.flow else self._moment.flows

    def _keys(self) -> str:
        deeds = "  ".join(f"{key} {deed.name}" for key, deed in DEEDS.items())
        return f"{deeds}  {MOVING}"

    def _move(self, key: str) -> None:
        last = max(len(self._rows()) - 1, 0)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -10, "pagedown": 10}
        steps |= {"home": -last, "end": last}
        self.chosen = min(max(self.chosen + steps[key], 0), last)

    def _open(self) -> bool:
        if self._moment is None or self.flow is not None or not self._moment.flows:
            return False
        self._above, self.flow = self.chosen, self._moment.flows[self.chosen].flow_id
        self.chosen = 0
        return True

    def _back(self) -> bool:
        if self.flow is None:
            return False
        self.flow, self.chosen = None, self._above
        return True

    def _ask(self, deed: Deed) -> None:
        if self._moment is None or not self._rows():
            return
        if self._moment.flow:
            job = self._moment.jobs[self.chosen]
            selected = JobFilter(db_ids=(job.db_id,))
            what = f"job {job.db_id} ({job.job.name})"
        else:
            flow = self._moment.flows[self.chosen]
            selected = JobFilter(flow_ids=(flow.flow_id,), states=deed.states)
            which = "the jobs" if not deed.states else f"the {' or '.join(deed.states)} jobs"
            what = f"{which} of flow {flow.db_id} ({flow.name})"
        self._asked = (deed, selected)
        self.message = f"{deed.name.capitalize()} {what}? y/n"

    def _answer(self, key: str) -> bool:
        asked, self._asked = self._asked, None
        self.message = ""
        if asked is None or key not in {"y", "Y"}:
            return False
        deed, selected = asked
        try:
            result = deed.act(self.controller.actions, selected, Manner(wait=WAIT))
        except JfceleryError as error:
            self.message = error.message
        else:
            self.message = f"{deed.name}: {counted(len(result.changed), 'job')} changed"
            if result.refused:
                first = result.refused[0]
                self.message += f", {len(result.refused)} refused: {first.db_id}: {first.reason}"
        return True
