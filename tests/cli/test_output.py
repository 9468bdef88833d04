"""How results look: local times, colours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from rich.style import Style

from jfcelery.cli.lines import in_lines
from jfcelery.cli.output import (
    STATE_STYLES,
    console,
    escape,
    local_time,
    print_fitting,
    progress,
    styled_state,
    table,
    write_json,
    zone,
)
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


def test_tables_look_the_same_in_lines_and_as_rich_makes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Headers of two lines, wide characters, brackets, backslashes, colours; words stay words."""
    shown = table("", ["DB id", "Name", "State", f"Since\n{escape('[UTC]')}"])
    names = ("a[b]c\\", ":smile: 日本語", "x[red]y", "")
    for number, name in enumerate(names):
        shown.add_row(str(number), escape(name), styled_state("READY"), "2026-01-01")
    as_lines = in_lines(shown, 80)
    assert as_lines is not None
    seen = []
    for made in (shown, as_lines):
        console().print(made)
        seen.append(capsys.readouterr().out)
    assert seen[0] == seen[1]
    assert all(name in seen[0] for name in names)
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_fitting(lambda **_: shown)
    assert "\x1b[36mREADY\x1b[0m" in capsys.readouterr().out
    titled = table("A title of some words", ["X"])
    titled.add_row("1")
    print_fitting(lambda **_: titled)
    assert "A title of some words" in capsys.readouterr().out
    shown.add_row("4", "in\ntwo lines", "", "")
    assert in_lines(shown, 80) is None


def test_wide_characters_that_have_no_room_stay_in_their_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name of 30 characters takes 60 cells, and is folded below itself."""
    monkeypatch.setenv("COLUMNS", "60")
    name = "電池" * 15
    shown = table("", ["DB id", "Name", "State"])
    shown.add_row("1", name, "READY")
    print_fitting(lambda **_: shown)
    first, *_, last = (line for line in capsys.readouterr().out.splitlines()[2:] if line.strip())
    assert first.startswith("1")
    assert first.rstrip().endswith("READY")
    assert last.startswith(" ")


def test_rows_that_have_no_room_go_on_in_further_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below their titles, indented by the first column; no word is broken, nothing is left out."""
    monkeypatch.setenv("COLUMNS", "40")
    titles = ["DB id", "Name", "State", "Worker", "Time", "Priority", "Error"]
    shown = table("", titles, whole={"State"})
    shown.add_row("1", "relax", "BATCH_SUBMITTED", "hpc", "0:00:10", "5", "")
    shown.add_row("12", "static", "READY", "local", "0:10:00", "0", "WorkerDiedError")
    print_fitting(lambda **_: shown)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "DB",
        "id  Name    State            Worker",
        "    Time     Priority  Error",
        "─" * 38,
        "1   relax   BATCH_SUBMITTED  hpc",
        "    0:00:10  5",
        "12  static  READY            local",
        "    0:10:00  0         WorkerDiedError",
    ]


def test_of_many_columns_none_loses_anything_beside_a_very_long_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on below itself, in the part of the row where it stands; ids stay what they are."""
    titles = ["DB id", "Name", "State", "Worker", "Time", "Priority", "Error", "Run dir"]
    long = "a reason of very many words " * 8
    for width in ("80", "40", "30"):
        monkeypatch.setenv("COLUMNS", width)
        shown = table("", titles, whole={"State"})
        for number in ("1234", "1235"):
            shown.add_row(number, "relax", "COMPLETED", "hpc", "0:00:10", "5", long, "/scratch/1")
        print_fitting(lambda _=None, shown=shown, **__: shown)
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= int(width)
        words = " ".join(lines).split()
        assert words.count("1234") == words.count("1235") == 1
        assert words.count("/scratch/1") == words.count("hpc") == 2
        assert words.count("reason") == 16


def test_a_long_text_goes_on_below_itself_and_short_ones_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If that is enough, each row stays one."""
    monkeypatch.setenv("COLUMNS", "40")
    shown = table("", ["DB id", "Name", "Worker", "Run time"])
    shown.add_row("1", "a name of quite some words", "cluster-7", "0:00:10")
    print_fitting(lambda **_: shown)
    first, *more = (line.split() for line in capsys.readouterr().out.splitlines()[3:])
    assert (first[0], *first[-2:]) == ("1", "cluster-7", "0:00:10")
    assert [*first[1:-2], *(word for line in more for word in line)] == (
        ["a", "name", "of", "quite", "some", "words"]
    )


def test_a_bar_counts_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands on stderr, so that results can be piped while it is seen."""
    for is_terminal in (False, True):
        if is_terminal:
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("TERM", "xterm-256color")
        with progress("Pause", 7) as advance:
            advance(3)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("Pause" in shown.err and "3/7" in shown.err) is is_terminal
