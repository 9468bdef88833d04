"""What each fault of a plan does, and how it ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.ground import Ground
    from tests.chaos.plan import Event
    from tests.chaos.system import System

#: What begins a fault and what ends it.
Fault = tuple["Callable[[Event], object]", "Callable[[], object] | None"]


def faults(system: System, ground: Ground) -> dict[str, Fault]:
    """Return all faults by name."""
    return {**_of_processes(system), **_of_services(system), **_of_ground(ground)}


def _of_processes(system: System) -> dict[str, Fault]:
    return {
        "kill worker": (lambda event: system.kill_worker(event.number), None),
        "kill beat": (lambda _: system.kill_beat(), None),
        "kill supervisor": (lambda _: system.kill_supervisor(), None),
        "skew a clock": (lambda event: system.skew(event.number), None),
        "local disk full": (
            lambda _: system.fill(full=True),
            lambda: system.fill(full=False),
        ),
    }


def _of_services(system: System) -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    for name in ("database", "broker"):

        def kill(_: Event, name: str = name) -> None:
            system.signal(name, signal.SIGKILL)

        def freeze(_: Event, name: str = name) -> None:
            system.signal(name, signal.SIGSTOP)

        def thaw(name: str = name) -> None:
            system.signal(name, signal.SIGCONT)

        found[f"kill {name}"] = (kill, None)
        found[f"freeze {name}"] = (freeze, thaw)
    found["kill broker, lose its file"] = (lambda _: system.kill_broker_and_file(), None)
    found["flush broker"] = (lambda _: system.flush(), None)
    return found


def _of_ground(ground: Ground) -> dict[str, Fault]:
    from tests.chaos.ground import HOST

    bed = ground.bed

    def mode(command: str, mode: str) -> Fault:
        return (lambda _: ground.mode(command, mode), lambda: ground.mode(command, ""))

    def relay(how: str) -> Fault:
        return (
            lambda _: bed.relay("set", HOST, mode=how),
            lambda: bed.relay("set", HOST, mode="ok"),
        )

    return {
        "cut sessions": (lambda _: bed.drop_sessions(HOST, user="hpc"), None),
        "reset connections": (lambda _: bed.relay("reset", HOST), None),
        "freeze connections": relay("freeze"),
        "refuse connections": relay("refuse"),
        "squeue fails": mode("squeue", "fails"),
        "squeue hangs": mode("squeue", "hangs"),
        "squeue is empty": mode("squeue", "empty"),
        "squeue says garbage": mode("squeue", "garbage"),
        "sbatch fails": mode("sbatch", "fails"),
        "sbatch hangs": mode("sbatch", "hangs"),
        "sbatch is empty": mode("sbatch", "empty"),
        "sbatch dies after submitting": mode("sbatch", "dies"),
        "sbatch says garbage": mode("sbatch", "garbage"),
        "slurmctld is away": (lambda _: ground.away(back=False), lambda: ground.away(back=True)),
        "remote disk full": (lambda _: ground.fill(), ground.clear),
        "reboot cluster": (lambda event: ground.reboot(event.lasts), None),
    }
