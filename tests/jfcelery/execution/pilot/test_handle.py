"""Claims in the pool: by renaming, so that one of many gets each, and a dead one holds nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jfcelery.errors import PilotBuriedError
from jfcelery.execution.pilot.handle import (
    CLAIMED,
    KILL,
    LOST,
    PILOTS,
    WAITING,
    Handle,
    limit_of,
)
from jfcelery.folders import RunFolder

#: Claims all that it can get, and prints what it got.
CLAIMER = """
import sys
from pathlib import Path
from jfcelery.execution.pilot.handle import Handle
handle = Handle(Path(sys.argv[1]), sys.argv[2])
handle.open()
sys.stdin.read()
got = [name for _ in range(3) for name in handle.waiting() if handle.claim(name)]
print("\\n".join(got))
"""


def put(pool: Path, *names: str) -> None:
    """Put entries into a pool."""
    (pool / WAITING).mkdir(parents=True, exist_ok=True)
    for name in names:
        text = f"folder=/work/{name}\nattempt=1\nname=jfc-{name}-1-1\n"
        (pool / WAITING / name).write_text(text)


@pytest.fixture
def handle(tmp_path: Path) -> Handle:
    """A pilot's hold on an empty pool."""
    made = Handle(tmp_path, "jfp-1")
    made.open()
    return made


def test_of_several_processes_one_gets_each_entry(tmp_path: Path) -> None:
    """Four processes race for the same entries: all are claimed, none twice."""
    names = [f"{number:03d}-jfc-x" for number in range(200)]
    put(tmp_path, *names)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(tmp_path), f"jfp-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()  # they start together
        racer.stdin = None
    got = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert sorted(name for one in got for name in one) == names


def test_an_entry_is_never_copied(tmp_path: Path, handle: Handle) -> None:
    """It is the same file wherever it is: so it is always in one place, and in nobody else's."""
    name = "1-jfc-a"
    put(tmp_path, name)
    number = (tmp_path / WAITING / name).stat().st_ino
    assert handle.claim(name)
    assert (tmp_path / CLAIMED / "jfp-1" / name).stat().st_ino == number
    handle.put_back(name)
    assert (tmp_path / WAITING / name).stat().st_ino == number
    assert handle.claim(name)
    handle.give_back(name)
    assert (tmp_path / LOST / name).stat().st_ino == number


def test_entries_are_claimed_in_their_order(tmp_path: Path, handle: Handle) -> None:
    """The names sort them: priority, then age."""
    put(tmp_path, "002-jfc-b", "001-jfc-a", "003-jfc-c")
    assert handle.waiting() == ["001-jfc-a", "002-jfc-b", "003-jfc-c"]
    entry = handle.claim("001-jfc-a")
    assert entry is not None
    assert (entry.job, entry.folder) == ("jfc-001-jfc-a-1-1", Path("/work/001-jfc-a"))
    assert handle.names() == {"001-jfc-a"}
    assert handle.claim("001-jfc-a") is not None  # a rename whose answer got lost


def test_the_name_of_an_entry_tells_how_long_its_job_may_take() -> None:
    """In seconds, behind the order; older entries say nothing."""
    assert limit_of("49999901764439821123.14400-jfc-a-1.5-1-1") == 14_400
    assert limit_of("49999901764439821123-jfc-a-1.5-1-1") is None


def test_what_makes_no_sense_is_given_back(tmp_path: Path, handle: Handle) -> None:
    """An entry without a folder goes where the runner sees it."""
    (tmp_path / WAITING / "001-jfc-a").write_text("nonsense\n")
    assert handle.claim("001-jfc-a") is None
    assert (tmp_path / LOST / "001-jfc-a").exists()


def test_an_ended_job_leaves_the_pool_and_one_given_back_does_not(
    tmp_path: Path, handle: Handle
) -> None:
    """The wish to kill it goes with it."""
    put(tmp_path, "001-jfc-a", "002-jfc-b")
    for name in handle.waiting():
        handle.claim(name)
        (tmp_path / KILL / name).touch()
    handle.done("001-jfc-a")
    handle.give_back("002-jfc-b")
    assert [path.name for path in tmp_path.rglob("00*")] == ["002-jfc-b"]
    assert (tmp_path / LOST / "002-jfc-b").exists()


def test_an_attempt_that_was_given_back_cannot_begin(tmp_path: Path, handle: Handle) -> None:
    """Its claim is taken, unless it has begun; that of one that waits for another pilot is not."""
    for name in "abc":
        folder = tmp_path / "work" / name
        folder.mkdir(parents=True)
        entry = f"folder={folder}\nattempt=3\nname=jfc-{name}\n"
        (tmp_path / WAITING / f"1-jfc-{name}").write_text(entry)
        assert handle.claim(f"1-jfc-{name}")
    (tmp_path / "work/b" / RunFolder.claim(3)).symlink_to("1-jfc-b")
    for name in "ab":
        handle.give_back(f"1-jfc-{name}")
    handle.put_back("1-jfc-c")
    claims = [tmp_path / "work" / name / RunFolder.claim(3) for name in "abc"]
    links = [str(claim.readlink()) for claim in claims if claim.is_symlink()]
    assert links == ["jfcelery:given-back:jfp-1", "1-jfc-b"]


def test_a_pilot_that_starts_anew_gives_back_what_it_had(tmp_path: Path, handle: Handle) -> None:
    """The scheduler requeued its queue job: the jobs of its former life are dead."""
    put(tmp_path, "001-jfc-a")
    handle.claim("001-jfc-a")
    again = Handle(tmp_path, "jfp-1")
    again.open()
    assert again.names() == set()
    assert (tmp_path / LOST / "001-jfc-a").exists()


def test_a_pilot_that_counts_as_dead_is_told_so(tmp_path: Path, handle: Handle) -> None:
    """Without its folder it can neither claim nor beat."""
    put(tmp_path, "001-jfc-a")
    (tmp_path / CLAIMED / "jfp-1").rmdir()
    with pytest.raises(PilotBuriedError):
        handle.beat({})
    with pytest.raises(PilotBuriedError):
        handle.claim("001-jfc-a")
    assert (tmp_path / WAITING / "001-jfc-a").exists()


def test_a_sign_of_life_needs_no_space(
    tmp_path: Path, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, what the pilot said last is made new."""
    handle.beat({"begun": 3})
    path = tmp_path / PILOTS / "jfp-1"
    os.utime(path, (1, 1))

    def full(_path: Path, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    handle.beat({"begun": 4})
    assert path.stat().st_mtime > 1
    assert path.read_text().startswith("begun=3\n")


def test_a_sign_of_life_is_written_as_a_whole(tmp_path: Path, handle: Handle) -> None:
    """What the pilot does stands in one file that bears its name."""
    handle.beat({"state": "running", "begun": 3})
    text = (tmp_path / PILOTS / "jfp-1").read_text()
    assert text.startswith("state=running\nbegun=3\ntime=")
    handle.close()
    assert not (tmp_path / CLAIMED / "jfp-1").exists()
