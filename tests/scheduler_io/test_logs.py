"""Following what a job writes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from jfcelery.errors import RunFolderError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io import logs
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.logs import LogTail


def following(folder: Path) -> LogTail:
    """Return what follows the logs in a folder."""
    return LogTail(RunFolder(PurePosixPath(folder)))


def texts(tail: LogTail) -> dict[str, bytes]:
    """Return what one look brings, by file."""
    return {piece.name: piece.text for piece in tail.look(LocalHost())}


def test_each_look_brings_what_is_new(tmp_path: Path) -> None:
    """Byte by byte, whatever they are; a file that is not there yet has nothing."""
    out, err = tmp_path / "queue.out", tmp_path / "queue.err"
    tail = following(tmp_path)
    assert texts(tail) == {}
    out.write_bytes(b"one\n\0\xff\xc3")
    assert texts(tail) == {"queue.out": b"one\n\0\xff\xc3"}
    with out.open("ab") as file:
        file.write(b"\xbc two")
    err.write_bytes(b"trouble\n")
    assert texts(tail) == {"queue.out": b"\xbc two", "queue.err": b"trouble\n"}
    assert texts(tail) == {}


def test_a_file_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    """As after a new attempt in the same folder."""
    out = tmp_path / "queue.out"
    out.write_text("a long line\n")
    tail = following(tmp_path)
    texts(tail)
    out.write_text("new\n")
    assert texts(tail) == {"queue.out": b"new\n"}


def test_a_long_file_comes_from_near_its_end_and_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the past of a long job nor a flood of output holds up the looks."""
    monkeypatch.setattr(logs, "FIRST", 10)
    monkeypatch.setattr(logs, "AT_ONCE", 4)
    (tmp_path / "queue.out").write_text("0123456789" * 5)
    tail = following(tmp_path)
    assert [texts(tail).get("queue.out") for _ in range(4)] == [b"0123", b"4567", b"89", None]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """It may have been cleaned."""
    with pytest.raises(RunFolderError, match="is not there"):
        following(tmp_path / "gone").look(LocalHost())
