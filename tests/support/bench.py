"""A project's steps in this process, their messages in the test's hands.

Everything is real (database, run folders, submitted scripts) but for the broker, whose messages
wait in a list until the test delivers, doubles or drops them, and the database's clock, which the
test can put forward.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.tasks import sending
from jfcelery.tasks.bundle import run_bundle
from jfcelery.tasks.cancel import cancel_all
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.harvest import run_harvest
from jfcelery.tasks.pipeline import PIPELINE
from jfcelery.tasks.poll import poll_host, tick
from jfcelery.tasks.runtime import Runtime
from jfcelery.tasks.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from jfcelery.project import Project

#: Runs a job of the bench; see there.
QUICK = Path(__file__).with_name("quick.sh")
#: Makes a worker that of another machine.
REMOTE = {"type": "remote", "host": "far.example.org"}
_STEPS = {f"jfcelery.{step.name}": step for step in PIPELINE}


@dataclass
class Message:
    """A message on its way: the chain of tasks that are still to be run."""

    names: list[str]
    args: tuple[Any, ...]
    label: str = ""


@dataclass
class Recorder:
    """Takes messages in place of the broker."""

    messages: list[Message] = field(default_factory=list)
    #: Hosts that are to be watched; nobody does: time is the test's.
    watches: list[str] = field(default_factory=list)

    def chain(self, names: Sequence[str], args: tuple[Any, ...], *, queue: str, label: str) -> None:
        """Take a chain."""
        del queue
        self.messages.append(Message(list(names), args, label))

    def together(
        self,
        name: str,
        worker: str,
        entries: Sequence[tuple[str, int, int]],
        *,
        queue: str,
        label: str,
    ) -> None:
        """Take many jobs that go together."""
        del queue
        self.messages.append(Message([f"jfcelery.{name}"], (worker, entries), label))

    def send(self, name: str, *args: str) -> None:
        """Take a single task."""
        self.messages.append(Message([f"jfcelery.{name}"], args))

    def checkout(self) -> None:
        """Take the wish for a checkout."""
        self.send("checkout")

    def sweep(self) -> None:
        """Take the wish for a sweep."""
        self.send("sweep")

    def cancel(self, host_key: str) -> None:
        """Take the wish for a cancellation."""
        self.send("cancel", host_key)

    def poll(self, host_key: str) -> None:
        """Take the wish for a poll."""
        self.send("poll", host_key)

    def watch(self, host_key: str) -> None:
        """Take the wish for a watch."""
        self.watches.append(host_key)


class Bench:
    """The runner of one project, driven by hand."""

    def __init__(self, project: Project, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.folder = folder
        self.recorder = Recorder()
        patch.setenv("QUICK", str(folder))
        patch.setattr("jfcelery.tasks.poll.WATCH", 0.0)  # time is the test's
        patch.setitem(sending._senders, sending.sender_key(project), self.recorder)
        self.runtime = Runtime(project)
        self._ahead = timedelta()
        clock = self.runtime.queue.clock
        now = clock.now
        patch.setattr(clock, "now", lambda: now() + self._ahead)

    @property
    def messages(self) -> list[Message]:
        """What waits to be delivered."""
        return self.recorder.messages

    def forward(self, seconds: float) -> None:
        """Put the database's clock forward."""
        self._ahead += timedelta(seconds=seconds)

    def deliver(self, message: Message) -> None:
        """Run the first task of a message; the rest of its chain is a new message."""
        name, *rest = message.names
        if name in _STEPS:
            uuid, index, epoch = message.args
            if _STEPS[name].run(self.runtime, uuid, index, epoch) and rest:
                self.messages.append(Message(rest, message.args, message.label))
            return
        others: dict[str, Any] = {
            "jfcelery.bundle": run_bundle,
            "jfcelery.harvest": run_harvest,
            "jfcelery.checkout": checkout,
            "jfcelery.sweep": sweep,
            "jfcelery.tick": tick,
            "jfcelery.poll": poll_host,
            "jfcelery.cancel": cancel_all,
        }
        others[name](self.runtime, *message.args)

    def drain(self) -> None:
        """Deliver all messages, and those that they cause, in order."""
        while self.messages:
            self.deliver(self.messages.pop(0))

    def beat(self, seconds: float = 60) -> None:
        """Let time pass, and do once all that beat sends."""
        self.forward(seconds)
        for task in (tick, checkout, sweep):
            task(self.runtime)

    def states(self, flow: str) -> dict[str, str]:
        """Return the short state of each job of a flow, by uuid."""
        docs = self.runtime.jobs.find({"flow": flow}, sort=[("uuid", 1), ("index", 1)])
        return {doc.uuid: doc.state.short for doc in docs}

    def starts(self) -> list[str]:
        """Return ``uuid_index attempt`` of each start of a job."""
        path = self.folder / "starts"
        return path.read_text().splitlines() if path.exists() else []

    def run_until_rest(self, flow: str, *, rounds: int = 200) -> dict[str, str]:
        """Beat and deliver until no job of a flow is under way."""
        import time

        moving = {"R", "CE", "U", "SU", "RU", "RF", "D", "BS", "BR"}
        states: dict[str, str] = {}
        for _ in range(rounds):
            self.drain()
            states = self.states(flow)
            if not moving & set(states.values()):
                return states
            time.sleep(0.05)  # for the real processes of the jobs
            self.beat()
        raise AssertionError(f"not at rest after {rounds} rounds: {states}")


def quick_worker(folder: Path, **options: Any) -> dict[str, Any]:
    """Return the description of a local worker whose jobs take no time."""
    return {
        "type": "local",
        "scheduler_type": "shell",
        "work_dir": str(folder / "work"),
        "execution_cmd": f"{QUICK} {{}}",
        **options,
    }


def alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
