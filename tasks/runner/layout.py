"""Which processes a runner consists of."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jfcelery.errors import RunnerError

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds that running steps get to end when nobody says how many.
DRAIN = 60.0
#: Seconds after which the supervisor itself kills a process that it has told to end; whoever
#: stops it in the background decides earlier.
LONGEST_DRAIN = 900.0

LogLevel = Literal["error", "warn", "info", "debug"]


class Role(StrEnum):
    """What a process of the runner is there for."""

    ALL = "all"
    CONTROL = "control"
    HOSTS = "hosts"
    FLOWER = "flower"


class Member(BaseModel):
    """One process under the supervisor.

    Args:
        name: Its name in the supervisor, in its log's name and in its Celery node name.
        role: What it is there for.
        beat: Whether it also sends the periodic tasks.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    beat: bool = False


class Layout(BaseModel):
    """The options with which a runner is started.

    Args:
        transfer: Number of Celery workers for the queues of the hosts.
        complete: Number of Celery workers for the control queue.
        single: One Celery worker for all queues instead.
        flower: Whether Flower runs too.
        flower_port: Port of Flower; 0 for its last one, or any that is free.
        concurrency: Number of threads of each Celery worker.
        log_level: The least important messages that are logged.
        drain: Seconds after which the supervisor kills what does not end by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transfer: int = Field(default=1, ge=1)
    complete: int = Field(default=1, ge=1)
    single: bool = False
    flower: bool = Field(default_factory=lambda: find_spec("flower") is not None)
    flower_port: int = Field(default=0, ge=0, le=65535)
    concurrency: int = Field(default=16, ge=1)
    log_level: LogLevel = "info"
    drain: float = Field(default=LONGEST_DRAIN, ge=0)

    def members(self) -> list[Member]:
        """Return the processes; the first one sends the periodic tasks."""
        if self.single:
            members = [Member(name="worker", role=Role.ALL)]
        else:
            members = [
                *_numbered("control", Role.CONTROL, self.complete),
                *_numbered("hosts", Role.HOSTS, self.transfer),
            ]
        members[0] = members[0].model_copy(update={"beat": True})
        if self.flower:
            members.append(Member(name="flower", role=Role.FLOWER))
        return members

    @classmethod
    def read(cls, path: Path) -> Layout | None:
        """Return the layout kept in a file, None if there is none that can be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    def check(self) -> None:
        """Refuse what this installation cannot start.

        Raises:
            RunnerError: Flower is wanted but not installed.
        """
        if self.flower and find_spec("flower") is None:
            raise RunnerError("Flower is not installed", remedy="Run: pip install 'jfcelery[gui]'")


def _numbered(name: str, role: Role, count: int) -> list[Member]:
    return [Member(name=f"{name}-{n}", role=role) for n in range(1, count + 1)]
