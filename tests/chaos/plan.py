"""What happens when: a list of events that a seed determines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from random import Random

from tests.chaos.flows import KINDS, WIDTH, shape_of


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        often: How often it is chosen.
        of: What it happens to; two faults of one thing never overlap.
        longest: Seconds for which it lasts at the longest.
        kills: Whether it kills a process.
    """

    often: int
    of: str
    longest: float = 0.0
    kills: bool = False


#: All kinds of faults.
FAULTS: dict[str, Kind] = {
    "kill worker": Kind(8, "worker", kills=True),
    "kill beat": Kind(2, "worker", kills=True),
    "kill supervisor": Kind(3, "supervisor", kills=True),
    "kill database": Kind(4, "database", kills=True),
    "freeze database": Kind(2, "database", 8),
    "kill broker": Kind(3, "broker", kills=True),
    "kill broker, lose its file": Kind(2, "broker", kills=True),
    "freeze broker": Kind(1, "broker", 8),
    "flush broker": Kind(4, "broker"),
    "skew a clock": Kind(3, "clock", kills=True),
    "cut sessions": Kind(4, "cluster", kills=True),
    "reset connections": Kind(2, "connections"),
    "freeze connections": Kind(2, "connections", 8),
    "refuse connections": Kind(2, "connections", 8),
    "squeue fails": Kind(2, "squeue", 8),
    "squeue hangs": Kind(2, "squeue", 8),
    "squeue is empty": Kind(2, "squeue", 8),
    "squeue says garbage": Kind(2, "squeue", 8),
    "sbatch fails": Kind(2, "sbatch", 6),
    "sbatch hangs": Kind(2, "sbatch", 8),
    "sbatch is empty": Kind(1, "sbatch", 4),
    "sbatch dies after submitting": Kind(2, "sbatch", 6, kills=True),
    "sbatch says garbage": Kind(1, "sbatch", 4),
    "slurmctld is away": Kind(1, "cluster", 6, kills=True),
    "remote disk full": Kind(2, "cluster", 6),
    "local disk full": Kind(2, "local disk", 6),
    "reboot cluster": Kind(1, "cluster", 2, kills=True),
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
        width: Children in it, if it is a fan.
        worker: Where it runs.
        killed_after: Seconds after which the command that submits it is killed.
    """

    at: float
    what: str
    lasts: float = 0.0
    number: int = 0
    flow: str = ""
    kind: str = ""
    width: int = WIDTH
    worker: str = ""
    killed_after: float | None = None


def plan(
    seed: int,
    jobs: int,
    seconds: float,
    every: float,
    *,
    local: float = LOCAL,
    width: int = WIDTH,
) -> list[Event]:
    """Return events in their order.

    Args:
        seed: Of the random numbers.
        jobs: At least so many are submitted or made at run time.
        seconds: When the last fault begins, at the latest.
        every: Seconds between two faults, on average.
        local: Part of the flows that run on this machine.
        width: Children in a fan.
    """
    random = Random(seed)  # noqa: S311 - repeatable, no secret
    events = _submissions(random, jobs, seconds * SUBMISSIONS, local, width)
    names, weights = list(FAULTS), [kind.often for kind in FAULTS.values()]
    # Each kind once before any comes twice, as far as there is time.
    number = max(round(seconds / every), 1)
    chosen = random.sample(names, len(names))[:number]
    chosen += random.choices(names, weights, k=number - len(chosen))
    for place, what in enumerate(chosen):
        lasts = random.uniform(0.3, 1) * FAULTS[what].longest
        at = (place + random.random()) * every
        events.append(Event(round(at, 2), what, round(lasts, 2), random.randrange(1000)))
    return sorted(events, key=lambda event: event.at)


def _submissions(
    random: Random, jobs: int, seconds: float, local: float, width: int
) -> list[Event]:
    events: list[Event] = []
    sizes = {kind: len(shape_of(kind, width).expected) for kind in KINDS}
    while sum(sizes[event.kind] for event in events if event.killed_after is None) < jobs:
        number = len(events)
        kind = list(KINDS)[number % len(KINDS)]
        killed = random.random() < KILLED
        events.append(
            Event(
                at=round(random.uniform(0, seconds), 2),
                what="submit",
                flow=f"chaos-{number}",
                width=width,
                kind=kind,
                worker="here" if random.random() < local else "hpca",
                killed_after=round(random.uniform(0.5, KILLED_AFTER), 2) if killed else None,
            )
        )
    return events


def as_json(events: list[Event]) -> str:
    """Return a plan as one line of JSON an event."""
    return "\n".join(json.dumps(asdict(event)) for event in events) + "\n"
