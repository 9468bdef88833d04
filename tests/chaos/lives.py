"""The faults of the explorer's lives: which effects there are, and what happens to them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from jfcelery.errors import BrokerUnavailableError, ConnectionLostError, ServiceError
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from tests.support.bench import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What changes the world: owners, their methods, and the error of each that the code must expect.
EFFECTS: tuple[tuple[Any, tuple[str, ...], Callable[[], Exception]], ...] = (
    (
        Collection,
        (
            *("update_one", "update_many", "replace_one", "delete_one", "delete_many"),
            *("insert_one", "insert_many", "bulk_write"),
        ),
        lambda: AutoReconnect("connection closed"),
    ),
    (Recorder, ("chain", "together", "send"), lambda: BrokerUnavailableError("connection refused")),
    (
        SimulatedHost,
        ("run", "publish", "publish_all", "fetch", "fetch_all", "remove"),
        lambda: ConnectionLostError("connection reset"),
    ),
)
#: What may happen to an effect, and to a message.
EffectFault = Literal["death before", "error before", "error after"]
MessageFault = Literal["lost", "doubled", "late"]
EFFECT_FAULTS: tuple[EffectFault, ...] = ("death before", "error before", "error after")
MESSAGE_FAULTS: tuple[MessageFault, ...] = ("lost", "doubled", "late")


class Death(BaseException):
    """The process is gone: nothing may catch this but the explorer."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a life, once.

    Args:
        what: What happens.
        at: To which effect, or message, counted from the life's begin.
    """

    what: EffectFault | MessageFault
    at: int


@dataclass
class Fate:
    """Counts effects and messages, and lets those go wrong that a life's faults name.

    Attributes:
        faults: What is to go wrong.
        effects: Names of the effects so far, with what caused them.
        messages: Names of the messages so far.
        met: Faults that happened.
    """

    faults: set[Fault] = field(default_factory=set)
    effects: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    met: list[Fault] = field(default_factory=list)
    cause: str = "submission"
    armed: bool = False
    _dead: bool = False

    @contextmanager
    def process(self, cause: str) -> Iterator[None]:
        """Be a process that may die, or meet an outage, in the block."""
        self.cause, self._dead = cause, False
        try:
            yield
        except (Death, ServiceError):
            pass
        finally:
            self._dead = False

    def name_of(self, fault: Fault) -> str:
        """Return what a fault happened to."""
        names = self.messages if fault.what in MESSAGE_FAULTS else self.effects
        return names[fault.at] if fault.at < len(names) else "nothing"

    def happens(self, what: EffectFault | MessageFault, at: int) -> bool:
        """Return whether a fault is to happen now."""
        fault = Fault(what, at)
        if fault not in self.faults:
            return False
        self.faults.discard(fault)
        self.met.append(fault)
        return True

    def mortal(
        self, name: str, function: Callable[..., Any], error: Callable[[], Exception]
    ) -> Callable[..., Any]:
        """Return an effect at which things go wrong."""

        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            if not self.armed:
                return function(*args, **options)
            if self._dead:  # what a dead process would still tidy up
                raise Death
            at = len(self.effects)
            self.effects.append(f"{self.cause}: {name}")
            if self.happens("death before", at):
                self._dead = True
                raise Death
            if self.happens("error before", at):
                raise error()
            result = function(*args, **options)
            if self.happens("error after", at):
                raise error()
            return result

        return run


def single_faults(without: Fate) -> list[Fault]:
    """Return every fault that a life may have once, by one that had none."""
    effects = range(len(without.effects))
    messages = range(len(without.messages))
    return [
        *(Fault(what, at) for at in effects for what in EFFECT_FAULTS),
        *(Fault(what, at) for at in messages for what in MESSAGE_FAULTS),
    ]
