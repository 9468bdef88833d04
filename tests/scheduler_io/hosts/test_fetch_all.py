"""Files of many run folders that come back in one round trip, each folder on its own."""

from __future__ import annotations

import os
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import DiskFullError, RunFolderError, TransferError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts import scripts
from jfcelery.scheduler_io.hosts.parcels import Publication, Retrieval

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.local import LocalHost

PATTERNS = ("queue.out", "store_*.json", "nothing", "queue.*")


@pytest.fixture
def work_dir(tmp_path: Path) -> PurePosixPath:
    """A worker's folder, with a blank in its name."""
    return PurePosixPath(tmp_path / "work dir")


def filled(host: LocalHost, work_dir: PurePosixPath, into: Path, count: int) -> list[Retrieval]:
    """Make run folders with some files, which differ, and return what is to come of them."""
    wanted = []
    for number in range(count):
        folder = RunFolder.of(work_dir, str(uuid.uuid4()), 1)
        files = {"queue.out": b"%d" % number, "queue.err": b"", "store_it's a b.json": b"[1]"}
        host.publish(
            Publication(folder, {**files, "big": os.urandom(300_000)}, attempt=1, marker={})
        )
        wanted.append(Retrieval(folder, PATTERNS, into / str(number)))
    return wanted


def test_each_gets_its_own_files(host: LocalHost, work_dir: PurePosixPath, tmp_path: Path) -> None:
    """By name and by pattern, each once; what is not there is just absent, and nothing is left."""
    wanted = filled(host, work_dir, tmp_path / "in", 3)
    assert host.fetch_all(wanted, work_dir=work_dir) == [True] * 3
    for number, one in enumerate(wanted):
        found = {path.name: path.read_bytes() for path in one.into.iterdir()}
        assert found == {
            "queue.out": b"%d" % number,
            "queue.err": b"",
            "store_it's a b.json": b"[1]",
        }
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["0", "1", "2"]


def test_a_folder_that_is_gone_or_empty_costs_the_others_nothing(
    host: LocalHost, work_dir: PurePosixPath, tmp_path: Path
) -> None:
    """It fails alone, or brings nothing."""
    first, empty, gone, closed = filled(host, work_dir, tmp_path / "in", 4)
    for name in ("queue.out", "queue.err", "store_it's a b.json"):
        Path(empty.folder / name).unlink()
    host.remove(gone.folder)
    Path(closed.folder.path).chmod(0)
    answers = host.fetch_all([first, empty, gone, closed], work_dir=work_dir)
    Path(closed.folder.path).chmod(0o755)
    assert answers[:2] == [True, True]
    assert isinstance(answers[2], RunFolderError)
    assert "is not there" in str(answers[2])
    if os.geteuid():  # which may read everything
        assert isinstance(answers[3], RunFolderError)
        assert "no right to" in str(answers[3])
    assert (first.into / "queue.out").exists()
    assert list(empty.into.iterdir()) == []


def test_what_is_too_much_is_left_for_later(
    host: LocalHost, work_dir: PurePosixPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first comes whatever it has; those that would make the stream too long do not."""
    monkeypatch.setattr(scripts, "MOST_BYTES", 500_000)
    wanted = [
        Retrieval(one.folder, ["big"], one.into)
        for one in filled(host, work_dir, tmp_path / "in", 3)
    ]
    assert host.fetch_all(wanted, work_dir=work_dir) == [True, False, False]
    assert not wanted[1].into.exists()
    monkeypatch.setattr(scripts, "MOST_BYTES", 1)
    assert host.fetch_all(wanted[1:], work_dir=work_dir) == [True, False]
    assert (wanted[1].into / "big").stat().st_size == 300_000


def test_nothing_there_at_all(host: LocalHost, work_dir: PurePosixPath, tmp_path: Path) -> None:
    """Where no folder has any of the files, nothing comes, and that is no error."""
    wanted = [
        Retrieval(one.folder, ["x*"], one.into)
        for one in filled(host, work_dir, tmp_path / "in", 2)
    ]
    assert host.fetch_all(wanted, work_dir=work_dir) == [True, True]


def test_a_damaged_stream_brings_nothing(
    host: LocalHost, work_dir: PurePosixPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files come as they lie there, or none of them does."""
    wanted = filled(host, work_dir, tmp_path / "in", 2)
    real = scripts.fetch_all

    def damaged(*args: Any) -> str:
        return real(*args).replace('tar chf - -- "$@"', 'tar chf - -- "$@" | head -c 1000')

    monkeypatch.setattr(scripts, "fetch_all", damaged)
    with pytest.raises((TransferError, RunFolderError)):
        host.fetch_all(wanted, work_dir=work_dir)
    assert not any(one.into.exists() for one in wanted)
    assert list((tmp_path / "in").iterdir()) == []


def test_a_full_disk_here(host: LocalHost, work_dir: PurePosixPath, tmp_path: Path) -> None:
    """It is this machine's trouble, not that of the jobs."""
    wanted = filled(host, work_dir, tmp_path / "in", 2)
    (tmp_path / "in").write_text("a file where a folder should be")
    with pytest.raises(DiskFullError, match="this machine"):
        host.fetch_all(wanted, work_dir=work_dir)
