"""Following logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.runner import follow as module
from jfcelery.tasks.runner.follow import follow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def steps(*actions: Callable[[], object]) -> Callable[[], bool]:
    """Return a function that does one action at each call, and says whether more are to come."""
    left = list(actions)

    def goes_on() -> bool:
        if left:
            left.pop(0)()
        return bool(left)

    return goes_on


def append(path: Path, text: str) -> Callable[[], object]:
    """Return an action that appends to a file."""

    def act() -> None:
        with path.open("a") as file:
            file.write(text)

    return act


def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines come whole, with the name of their log, from the end of what is there already."""
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0)
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("first\n")
    goes_on = steps(append(one, "sec"), append(one, "ond\n"), append(two, "other\n"))
    lines = list(follow({"one": one, "two": two}, goes_on=goes_on))
    assert lines == [("one", "first"), ("one", "second"), ("two", "other")]


def test_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is begun anew is followed from its beginning."""
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0)
    log = tmp_path / "log"
    log.write_text("old\n")
    goes_on = steps(
        lambda: None,
        lambda: (log.rename(tmp_path / "log.1"), log.write_text("new, and longer\n")),
        append(log, "last\n"),
    )
    lines = [line for _, line in follow({"log": log}, goes_on=goes_on)]
    assert lines == ["old", "new, and longer", "last"]
