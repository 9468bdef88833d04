"""How results look: local times, colours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from rich.style import Style

from jfcelery.cli.output import STATE_STYLES, local_time, styled_state, write_json, zone
from jfcelery.states import FlowState, JobState

#: Half past eleven at night in Greenwich: the next morning in Tokyo.
_LATE = datetime(2026, 3, 1, 23, 30, 5, tzinfo=UTC)


@pytest.mark.usefixtures("tokyo")
def test_times_are_local_on_the_screen_and_in_utc_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A time without a zone, as databases give it, is one in UTC."""
    assert zone() == "JST"
    assert local_time(_LATE) == "2026-03-02 08:30"
    assert local_time(_LATE, seconds=True) == "2026-03-02 08:30:05"
    assert local_time(_LATE.replace(tzinfo=None)) == "2026-03-02 08:30"
    assert local_time(None) == ""
    write_json({"aware": _LATE, "naive": _LATE.replace(tzinfo=None)})
    expected = "2026-03-01T23:30:05.000Z"
    assert json.loads(capsys.readouterr().out) == {"aware": expected, "naive": expected}


@pytest.mark.parametrize("states", [JobState, FlowState])
def test_every_state_has_a_colour(states: type[JobState | FlowState]) -> None:
    """A state that is added gets one, and it is one that terminals know."""
    assert {state.value for state in states} <= set(STATE_STYLES)
    for style in STATE_STYLES.values():
        assert Style.parse(style).color is not None
    for state in states:
        assert styled_state(state) == f"[{STATE_STYLES[state]}]{state}[/]"
