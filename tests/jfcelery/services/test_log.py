"""The servers' log files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.services import log
from jfcelery.services.log import ServerLog

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_only_what_is_new_counts(tmp_path: Path) -> None:
    """What an earlier instance said is no reason of this one."""
    path = tmp_path / "log"
    path.write_text("error: long ago\n")
    server = ServerLog(path)
    assert server.reason() == "it left no word"
    with path.open("a") as file:
        file.write("starting\nerror: just now\nbye\n")
    assert server.reason() == "error: just now"


def test_last_line_is_the_reason_if_none_tells(tmp_path: Path) -> None:
    """Without a telling line the last one is shown."""
    path = tmp_path / "log"
    server = ServerLog(path)
    path.write_text("one\ntwo\n\n")
    assert server.reason() == "two"
    assert server.remedy() == f"Its log: {path}"


def test_stamps_are_left_out(tmp_path: Path) -> None:
    """Pid and time, with which Redis begins its lines, are of no interest in an error."""
    path = tmp_path / "log"
    server = ServerLog(path)
    path.write_text("27780:M 28 Nov 2026 22:38:54.285 # Bad file format: look at it\n")
    assert server.reason() == "Bad file format: look at it"


def test_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log does not grow for ever."""
    monkeypatch.setattr(log, "ROTATE_BYTES", 10)
    path = tmp_path / "log"
    path.write_text("more than ten bytes\n")
    server = ServerLog(path)
    assert (tmp_path / "log.1").read_text() == "more than ten bytes\n"
    assert server.text() == ""


def test_missing_rights_have_a_hint(tmp_path: Path) -> None:
    """Common reasons come with what to do."""
    path = tmp_path / "log"
    server = ServerLog(path)
    path.write_text("Can't open the log: Permission denied\n")
    assert server.remedy().startswith("Give yourself the right")
