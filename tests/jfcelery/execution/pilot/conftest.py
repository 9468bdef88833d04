"""A pool for a pilot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.execution.pilot.processes import PILOT_VARIABLE, bearers
from tests.support.pilot_ground import PILOT, Ground
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A pool whose pilot ends with the test."""
    made = Ground(tmp_path)
    yield made
    (tmp_path / "go").touch()
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait(30)
    wait_until(lambda: not bearers(PILOT_VARIABLE, PILOT), "all processes of the pilot to be gone")
