"""What happens when: a list of events that a seed determines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from random import Random

from tests.chaos.flows import KINDS

#: Faults, each with how often it is chosen and the longest time (s) for which it lasts.
FAULTS: dict[str, tuple[int, float]] = {
    "kill worker": (8, 0),
    "kill supervisor": (3, 0),
    "kill database": (4, 0),
    "freeze database": (2, 8),
    "kill broker": (3, 0),
    "kill broker, lose its file": (2, 0),
    "freeze broker": (1, 8),
    "flush broker": (4, 0),
    "skew a clock": (3, 0),
    "cut sessions": (4, 0),
    "reset connections": (2, 0),
    "freeze connections": (2, 8),
    "refuse connections": (2, 8),
    "squeue fails": (2, 8),
    "squeue hangs": (2, 8),
    "squeue is empty": (2, 8),
    "squeue says garbage": (2, 8),
    "sbatch fails": (2, 6),
    "sbatch hangs": (2, 8),
    "sbatch dies after submitting": (2, 6),
    "sbatch says garbage": (1, 4),
    "slurmctld is away": (1, 6),
    "remote disk full": (2, 6),
    "local disk full": (2, 6),
    "reboot cluster": (1, 2),
}
#: Part of the time in which flows are submitted.
SUBMISSIONS = 0.7
#: Part of the submissions whose command is killed.
KILLED = 0.2
#: Longest time (s) after which such a command is killed.
KILLED_AFTER = 4.0
#: Part of the flows that run on this machine.
LOCAL = 0.25


@dataclass(frozen=True)
class Event:
    """Something that happens.

    Args:
        at: Seconds after the begin.
        what: A key of :data:`FAULTS`, or ``submit``.
        lasts: Seconds after which it is over.
        number: A random number, where something is to be chosen.
        flow: Name of a flow that is submitted.
        kind: Its shape.
        worker: Where it runs.
        killed_after: Seconds after which the command that submits it is killed.
    """

    at: float
    what: str
    lasts: float = 0.0
    number: int = 0
    flow: str = ""
    kind: str = ""
    worker: str = ""
    killed_after: float | None = None


def plan(seed: int, jobs: int, seconds: float, every: float) -> list[Event]:
    """Return events in their order.

    Args:
        seed: Of the random numbers.
        jobs: At least so many are submitted or made at run time.
        seconds: When the last fault begins, at the latest.
        every: Seconds between two faults, on average.
    """
    random = Random(seed)  # noqa: S311 - repeatable, no secret
    events = _submissions(random, jobs, seconds * SUBMISSIONS)
    names, weights = list(FAULTS), [often for often, _ in FAULTS.values()]
    # Each kind once before any comes twice, as far as there is time.
    number = max(int(seconds / every), 1)
    chosen = random.sample(names, len(names))[:number]
    chosen += random.choices(names, weights, k=number - len(chosen))
    for what in chosen:
        lasts = random.uniform(0.3, 1) * FAULTS[what][1]
        at = random.uniform(0, seconds)
        events.append(Event(round(at, 2), what, round(lasts, 2), random.randrange(1000)))
    return sorted(events, key=lambda event: event.at)


def _submissions(random: Random, jobs: int, seconds: float) -> list[Event]:
    events: list[Event] = []
    sizes = {kind: len(make().expected) for kind, make in KINDS.items()}
    while sum(sizes[event.kind] for event in events if event.killed_after is None) < jobs:
        number = len(events)
        kind = list(KINDS)[number % len(KINDS)]
        killed = random.random() < KILLED
        events.append(
            Event(
                at=round(random.uniform(0, seconds), 2),
                what="submit",
                flow=f"chaos-{number}",
                kind=kind,
                worker="here" if random.random() < LOCAL else "hpca",
                killed_after=round(random.uniform(0.5, KILLED_AFTER), 2) if killed else None,
            )
        )
    return events


def as_json(events: list[Event]) -> str:
    """Return a plan as one line of JSON an event."""
    return "\n".join(json.dumps(asdict(event)) for event in events) + "\n"
