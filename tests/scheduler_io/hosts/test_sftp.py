"""The two ways of files, where one of them is not offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.errors import NotOfferedError
from jfcelery.scheduler_io.hosts.sftp import EitherHost
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine

if TYPE_CHECKING:
    from collections.abc import Callable


class NoWay(ThisMachine):
    """A way that is not offered; what happens meanwhile is given."""

    meanwhile: Callable[[], None] | None = None

    def check(self) -> None:
        """Raise what a host without this way raises."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        raise NotOfferedError("it runs no commands")


class Way(ThisMachine):
    """A way that is offered; uses are counted."""

    uses = 0

    def check(self) -> None:
        """Count."""
        self.uses += 1


def test_two_that_find_out_at_once_both_go_the_other_way() -> None:
    """The second hears of it only when the first has already turned the ways round."""
    closed, open_ = NoWay(), Way()
    host = EitherHost(closed, open_)
    closed.meanwhile = host.check
    host.check()
    assert open_.uses == 2
    host.check()
    assert open_.uses == 3
