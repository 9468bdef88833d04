"""Many run folders put in place in one round trip, each on its own."""

from __future__ import annotations

import json
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import RunFolderError, TransferError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts import archive
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.local import LocalHost


@pytest.fixture
def work_dir(tmp_path: Path) -> PurePosixPath:
    """A worker's folder, with a blank in its name, that is not there yet."""
    return PurePosixPath(tmp_path / "work dir")


def publications(work_dir: PurePosixPath, count: int, attempt: int = 1) -> list[Publication]:
    """Return new folders with two files each."""
    return [
        Publication(
            RunFolder.of(work_dir, str(uuid.uuid4()), 1),
            {"number": str(number).encode(), 'it\'s a "name"': b"quoted"},
            attempt,
            {"uuid": str(number)},
        )
        for number in range(count)
    ]


def names(work_dir: PurePosixPath) -> list[str]:
    """Return what lies in a worker's folder that is no run folder's."""
    return [path.name for path in Path(work_dir).iterdir() if path.name.startswith(".")]


def test_all_are_in_their_places(any_host: LocalHost, work_dir: PurePosixPath) -> None:
    """Each with its own files and marker; nothing else is left."""
    sent = publications(work_dir, 5)
    assert any_host.publish_all(sent, work_dir=work_dir) == [None] * 5
    for number, one in enumerate(sent):
        folder = Path(one.folder.path)
        assert (folder / "number").read_text() == str(number)
        assert (folder / 'it\'s a "name"').read_bytes() == b"quoted"
        marker = json.loads((folder / RunFolder.MARKER).read_text())
        assert marker == {"attempt": 1, "uuid": str(number)}
        assert len(list(folder.parent.iterdir())) == 1
    assert names(work_dir) == []


def test_each_meets_what_is_there(any_host: LocalHost, work_dir: PurePosixPath) -> None:
    """An earlier attempt is moved aside, a submitted one kept; a foreign folder fails alone."""
    earlier, submitted, foreign, newer, fresh = publications(work_dir, 5, attempt=2)
    any_host.publish(Publication(earlier.folder, {"old": b"x"}, attempt=1, marker={}))
    any_host.publish(Publication(submitted.folder, {"mine": b"x"}, attempt=2, marker={}))
    Path(submitted.folder / RunFolder.queue_id(2)).write_text("7")
    Path(foreign.folder.path).mkdir(parents=True)
    any_host.publish(Publication(newer.folder, {}, attempt=3, marker={}))
    answers = any_host.publish_all([earlier, submitted, foreign, newer, fresh], work_dir=work_dir)
    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        RunFolderError,
        RunFolderError,
        type(None),
    ]
    assert "no run folder of jfcelery" in str(answers[2])
    assert "newer attempt (3)" in str(answers[3])
    assert Path(earlier.folder.archived(1) / "old").exists()
    assert not Path(earlier.folder / "old").exists()
    assert Path(submitted.folder / "mine").exists()
    assert Path(fresh.folder / "number").exists()
    assert names(work_dir) == []


def test_files_are_kept_where_asked(host: LocalHost, work_dir: PurePosixPath) -> None:
    """What the attempt before left lies beside the new files."""
    (one,) = publications(work_dir, 1, attempt=2)
    host.publish(Publication(one.folder, {"left": b"x"}, attempt=1, marker={}))
    kept = Publication(one.folder, one.files, 2, {}, keep=True)
    assert host.publish_all([kept], work_dir=work_dir) == [None]
    assert Path(one.folder / "left").read_bytes() == b"x"


def test_a_place_that_cannot_be_made_fails_alone(host: LocalHost, work_dir: PurePosixPath) -> None:
    """The error says what the tools said about this very folder."""
    good, bad = publications(work_dir, 2)
    Path(work_dir).mkdir()
    (Path(work_dir) / bad.folder.path.relative_to(work_dir).parts[0]).write_text("in the way")
    answers = host.publish_all([bad, good], work_dir=work_dir)
    assert answers[1] is None
    assert isinstance(answers[0], RunFolderError)
    assert "File exists" in str(answers[0]) or "Not a directory" in str(answers[0])


def test_a_damaged_stream_puts_nothing_in_place(
    host: LocalHost, work_dir: PurePosixPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksums are compared before the first folder is moved."""
    add = archive._add

    def damaged(tar: object, name: str, content: bytes | Path) -> str:
        return add(tar, name, content).replace("0", "1").replace("a", "b")  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "_add", damaged)
    sent = publications(work_dir, 2)
    with pytest.raises(TransferError, match="damaged"):
        host.publish_all(sent, work_dir=work_dir)
    assert not any(Path(one.folder.path).exists() for one in sent)
    assert names(work_dir) == []


def test_a_work_dir_without_rights_is_named(work_dir: PurePosixPath) -> None:
    """The whole bundle fails where nothing can be written."""
    host = SimulatedHost()
    Path(work_dir).write_text("a file")
    with pytest.raises(RunFolderError, match="work dir"):
        host.publish_all(publications(work_dir, 2), work_dir=work_dir)
    assert host.count("publish_all") == 1
