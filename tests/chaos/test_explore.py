"""A part of the explorer's lives; ``explore.py`` leads all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.explore import FLOWS, explorer, workers
from tests.chaos.lives import EFFECT_FAULTS, MESSAGE_FAULTS, single_faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: Each so-manieth of the lives with a fault of an effect, and of those with one of a message; no
#: multiple of three, the number of kinds of each, so that all have their turn.
EFFECTS, MESSAGES = 88, 13


@pytest.mark.parametrize("flow", FLOWS)
def test_a_fault_anywhere_loses_and_doubles_nothing(
    flow: str, make_project: ProjectFactory, tmp_path: Path
) -> None:
    """After a death, error or lost message at an effect all jobs complete, each started once."""
    with explorer(make_project(workers=workers(tmp_path, flow)), tmp_path, flow) as found:
        without = found.live()
        assert without.met == []
        faults = single_faults(without)
        of_effects = [fault for fault in faults if fault.what in EFFECT_FAULTS]
        of_messages = [fault for fault in faults if fault.what in MESSAGE_FAULTS]
        chosen = of_effects[::EFFECTS] + of_messages[::MESSAGES]
        assert {fault.what for fault in chosen} == {*EFFECT_FAULTS, *MESSAGE_FAULTS}
        for fault in chosen:
            assert found.live(fault).met == [fault]
