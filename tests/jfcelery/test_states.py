"""The state table is the only judge of what may follow what."""

from __future__ import annotations

import pytest

from jfcelery.errors import TransitionError
from jfcelery.states import (
    ACTIVE_STATES,
    RESTING_STATES,
    TRANSITIONS,
    JobState,
    sources_of,
    transition,
)


def test_every_state_has_a_short_name_of_its_own() -> None:
    """No two states share an abbreviation."""
    assert len({state.short for state in JobState}) == len(JobState)


def test_every_state_is_ready_waiting_active_or_resting() -> None:
    """Each state is of exactly one kind."""
    kinds = [{JobState.WAITING}, {JobState.READY}, ACTIVE_STATES, RESTING_STATES]
    for state in JobState:
        assert sum(state in kind for kind in kinds) == 1, state


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.event}-{len(row.sources)}")
def test_rows_of_the_table_are_allowed(row: object) -> None:
    """Whatever a row says is accepted."""
    for source in row.sources:  # type: ignore[attr-defined]
        for target in row.targets:  # type: ignore[attr-defined]
            transition(row.event, source, target)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "event, source, target",
    [
        ("checkout", JobState.WAITING, JobState.CHECKED_OUT),
        ("submit", JobState.CHECKED_OUT, JobState.SUBMITTED),
        ("finalize", JobState.RUNNING, JobState.COMPLETED),
        ("retry", JobState.FAILED, JobState.READY),
        ("stop", JobState.COMPLETED, JobState.USER_STOPPED),
        ("no such event", JobState.READY, JobState.READY),
    ],
)
def test_what_no_row_says_is_refused(event: str, source: JobState, target: JobState) -> None:
    """A change outside of the table names itself in the error."""
    with pytest.raises(TransitionError, match=event):
        transition(event, source, target)


def test_every_active_state_can_be_left_by_a_step_and_by_a_user() -> None:
    """No job can be stuck for want of a row."""
    for state in ACTIVE_STATES:
        assert state in sources_of("stop")
        assert state in sources_of("rerun")
        assert state in sources_of("fail")
