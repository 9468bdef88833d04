"""Run folders put in place: whole or not at all, whatever was there before."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ForeignFolderError, InputError, RunFolderError, TransferError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts import archive, scripts
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.scheduler_io.hosts.local import LocalHost

FILES: dict[str, bytes | Path] = {"submit.sh": b"#!/bin/sh\necho hi\n", "jfremote_in.json": b"{}"}


def contents(folder: RunFolder) -> dict[str, str]:
    """Return the files of a run folder but its marker."""
    paths = (path for path in Path(folder.path).iterdir() if not path.is_symlink())
    files = {path.name: path.read_text() for path in paths}
    del files[RunFolder.MARKER]
    return files


def siblings(folder: RunFolder) -> list[str]:
    """Return what lies beside a run folder, it included, by what its name adds to the folder's."""
    names = [path.name for path in Path(folder.path.parent).iterdir()]
    return sorted(name.removeprefix(folder.path.name) for name in names)


def publish(host: LocalHost, folder: RunFolder, text: str, attempt: int = 1) -> None:
    """Publish a folder with one file."""
    host.publish(Publication(folder, {"a": text.encode()}, attempt=attempt, marker={"uuid": "u"}))


def test_new_folder(any_host: LocalHost, folder: RunFolder) -> None:
    """The folder is made with all above it, its files and its marker."""
    any_host.publish(Publication(folder, FILES, attempt=3, marker={"uuid": "u", "index": 1}))
    assert contents(folder) == {"submit.sh": "#!/bin/sh\necho hi\n", "jfremote_in.json": "{}"}
    marker = json.loads(Path(folder / RunFolder.MARKER).read_text())
    assert marker == {"attempt": 3, "uuid": "u", "index": 1}
    assert siblings(folder) == [""]


def test_marker_holds_the_true_attempt(any_host: LocalHost, folder: RunFolder) -> None:
    """What the caller notes cannot change the attempt that the marker tells."""
    any_host.publish(
        Publication(folder, {}, attempt=2, marker={"attempt": 7, "note": {"attempt": 9}})
    )
    assert json.loads(Path(folder / RunFolder.MARKER).read_text())["attempt"] == 2
    publish(any_host, folder, "third", 3)
    assert siblings(folder) == ["", ".attempt2"]


def test_files_of_this_machine(any_host: LocalHost, folder: RunFolder, tmp_path: Path) -> None:
    """A file of this machine is copied with its right to be executed."""
    (tmp_path / "tool").write_text("#!/bin/sh\necho done\n")
    (tmp_path / "tool").chmod(0o755)
    any_host.publish(
        Publication(folder, {"tool": tmp_path / "tool", "sub/x": b"1"}, attempt=1, marker={})
    )
    assert any_host.run(f"'{folder}/tool'; cat '{folder}/sub/x'").stdout == "done\n1"


def test_same_attempt_is_replaced(any_host: LocalHost, folder: RunFolder) -> None:
    """Publishing an attempt again replaces what was there, completely."""
    any_host.publish(Publication(folder, {"old": b"1"}, attempt=1, marker={}))
    publish(any_host, folder, "new")
    assert contents(folder) == {"a": "new"}
    assert siblings(folder) == [""]


@pytest.mark.parametrize("name", [RunFolder.queue_id(1), RunFolder.status(1)])
def test_submitted_attempt_is_left_alone(host: LocalHost, folder: RunFolder, name: str) -> None:
    """What was submitted stays as it is when its attempt is published once more."""
    publish(host, folder, "submitted")
    Path(folder / name).touch()
    publish(host, folder, "again")
    assert contents(folder) == {"a": "submitted", name: ""}
    assert siblings(folder) == [""]


def test_earlier_attempt_is_archived(any_host: LocalHost, folder: RunFolder) -> None:
    """The folder of an earlier attempt is moved aside, submitted or not."""
    publish(any_host, folder, "first", 1)
    Path(folder / RunFolder.queue_id(1)).touch()
    publish(any_host, folder, "second", 2)
    publish(any_host, folder, "third", 3)
    assert contents(folder) == {"a": "third"}
    assert contents(folder.archived(2)) == {"a": "second"}
    assert siblings(folder) == ["", ".attempt1", ".attempt2"]
    claims = {path.name: str(path.readlink()) for path in Path(folder.path).glob(".jfc_claim.*")}
    assert claims == dict.fromkeys((".jfc_claim.1", ".jfc_claim.2"), "jfcelery:over")


def test_archive_that_is_there_already(host: LocalHost, folder: RunFolder) -> None:
    """An archived folder of the same attempt gives way."""
    publish(host, folder, "first", 1)
    Path(folder.path).rename(folder.archived(1).path)
    publish(host, folder, "first again", 1)
    publish(host, folder, "second", 2)
    assert contents(folder.archived(1)) == {"a": "first again"}
    assert contents(folder) == {"a": "second"}


def test_newer_attempt_is_kept(host: LocalHost, folder: RunFolder) -> None:
    """A step that was fenced off cannot put an old attempt over a new one."""
    publish(host, folder, "second", 2)
    with pytest.raises(RunFolderError, match=r"newer attempt \(2\)"):
        publish(host, folder, "first", 1)
    assert contents(folder) == {"a": "second"}
    assert siblings(folder) == [""]


def test_foreign_folder_is_kept(any_host: LocalHost, folder: RunFolder) -> None:
    """A folder that jfcelery did not make is never touched."""
    Path(folder.path).mkdir(parents=True)
    Path(folder / "precious").write_text("mine")
    with pytest.raises(RunFolderError, match="no run folder of jfcelery") as caught:
        publish(any_host, folder, "x")
    assert "Move the folder away" in caught.value.remedy
    with pytest.raises(ForeignFolderError, match="is kept: it holds no marker of the job"):
        any_host.remove(folder)
    assert Path(folder / "precious").read_text() == "mine"


def test_foreign_file_is_kept(host: LocalHost, folder: RunFolder) -> None:
    """A file in the place of the folder is never touched."""
    Path(folder.path.parent).mkdir(parents=True)
    Path(folder.path).write_text("mine")
    with pytest.raises(RunFolderError, match="no run folder of jfcelery"):
        publish(host, folder, "x")
    assert Path(folder.path).read_text() == "mine"


def test_what_a_process_left_that_died_is_removed(folder: RunFolder) -> None:
    """What one that lives is still at is left alone."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        left = Path(f"{folder.path}.tmp-{pid}.x")
        left.mkdir(parents=True)
        (left / "a").touch()
    publish(ThisMachine(timeout=60), folder, "whole")
    assert contents(folder) == {"a": "whole"}
    assert siblings(folder) == ["", f".tmp-{os.getpid()}.x"]


def test_many_at_once(any_host: LocalHost, folder: RunFolder) -> None:
    """Of several attempts published at once the newest is in place, and all are whole."""

    def one(attempt: int) -> None:
        files: Mapping[str, bytes | Path] = {f"f{i}": b"%d" % attempt for i in range(5)}
        try:
            any_host.publish(Publication(folder, files, attempt=attempt, marker={}))
        except RunFolderError as error:
            assert "newer" in str(error)  # noqa: PT017 - it may or may not come

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [1, 2, 3, 1, 2, 3]))
    assert contents(folder) == {f"f{i}": "3" for i in range(5)}
    for attempt in (1, 2):
        if Path(folder.archived(attempt).path).exists():
            assert contents(folder.archived(attempt)) == {f"f{i}": f"{attempt}" for i in range(5)}


def damaged_stream(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Have the bytes on their way changed."""
    real = archive.Sink.write

    def write(self: archive.Sink, data: bytes) -> int:
        real(self, change(data))
        return len(data)

    monkeypatch.setattr(archive.Sink, "write", write)


def test_damaged_on_the_way(
    host: LocalHost, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed byte is noticed by the checksum, and nothing stays."""
    damaged_stream(monkeypatch, lambda data: data.replace(b"payload", b"pAyload"))
    with pytest.raises(TransferError, match="damaged"):
        publish(host, folder, "payload")
    assert siblings(folder) == []


def test_cut_short_on_the_way(
    host: LocalHost, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that ends early, even between two files, is noticed, and nothing stays."""
    publish(host, folder, "before")
    damaged_stream(monkeypatch, lambda data: data[:1024])
    with pytest.raises(TransferError, match="cut-short"):
        host.publish(Publication(folder, {"a": b"x", "b": b"y"}, attempt=2, marker={}))
    assert siblings(folder) == [""]
    assert contents(folder) == {"a": "before"}


def test_file_that_shrinks_while_it_is_sent(
    host: LocalHost, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of this machine that changes meanwhile is an error of the transfer."""
    path = tmp_path / "shrinking"
    path.write_bytes(b"x" * 1000)
    real = os.fstat

    def fstat(number: int) -> Any:
        status = real(number)
        path.write_bytes(b"")
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(TransferError, match="changed while it was sent"):
        host.publish(Publication(folder, {"x": path}, attempt=1, marker={}))
    monkeypatch.undo()
    assert not Path(folder.path).exists()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a\nb", "./x"])
def test_names_that_lead_elsewhere(any_host: LocalHost, folder: RunFolder, name: str) -> None:
    """No file can be written outside the folder."""
    with pytest.raises(InputError, match="cannot be the name"):
        any_host.publish(Publication(folder, {name: b"x"}, attempt=1, marker={}))
    assert not Path(folder.path).exists()


def test_names_with_odd_characters(any_host: LocalHost, folder: RunFolder, tmp_path: Path) -> None:
    """Names may hold what shells and tar treat specially."""
    names = ["a b", "it's", "-rf", "$(x)", "*", "#", "ä", "back\\slash", "--checkpoint=1"]
    any_host.publish(
        Publication(folder, {name: name.encode() for name in names}, attempt=1, marker={})
    )
    assert contents(folder) == {name: name for name in names}
    found = any_host.fetch(folder, ["*"], tmp_path / "in")
    assert sorted(found) == sorted(names)


def test_leftovers_of_dead_transfers_go(
    host: LocalHost, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interrupted transfer left long ago is removed; a recent one may be under way."""
    stale = Path(f"{folder}.tmp-dead")
    stale.mkdir(parents=True)
    publish(host, folder, "x")
    assert siblings(folder) == ["", ".tmp-dead"]
    monkeypatch.setattr(scripts, "STALE_MINUTES", -1)
    publish(host, folder, "y")
    assert siblings(folder) == [""]


def test_remove(host: LocalHost, folder: RunFolder, tmp_path: Path) -> None:
    """A run folder goes with its archived attempts, leftovers and the empty folders above."""
    publish(host, folder, "first", 1)
    publish(host, folder, "second", 2)
    Path(f"{folder}.tmp-dead").mkdir()
    assert host.remove(folder)
    assert list((tmp_path / "work dir").iterdir()) == []
    assert not host.remove(folder)


def test_remove_leaves_the_neighbours(host: LocalHost, tmp_path: Path) -> None:
    """Folders of other jobs, and of other indices of the same job, stay."""
    folders = [RunFolder.of(str(tmp_path), "aabbcc-1", index) for index in (1, 11)]
    for folder in folders:
        publish(host, folder, "x")
    assert host.remove(folders[0])
    assert contents(folders[1]) == {"a": "x"}


def test_remove_leaves_what_another_job_made(host: LocalHost, folder: RunFolder) -> None:
    """A marker that is not the owner's own protects its folder, that of an attempt too."""
    for attempt, index in ((1, 12), (2, 1), (3, 12)):
        marker = {"project": "a b", "uuid": "u-1", "index": index}
        host.publish(Publication(folder, FILES, attempt=attempt, marker=marker))
    for owner in ({"uuid": "u", "index": 12}, {"uuid": "u-1", "index": 2}, {"uuid": "*"}):
        with pytest.raises(ForeignFolderError):
            host.remove(folder, owner=owner)
    assert siblings(folder) == ["", ".attempt1", ".attempt2"]
    with pytest.raises(ForeignFolderError):
        host.remove(folder, owner={"uuid": "u-1", "index": 1, "project": "a b"})
    assert siblings(folder) == ["", ".attempt1"]
    assert host.remove(folder, owner={"uuid": "u-1", "index": 12})
    assert not Path(folder.path).exists()


def leave(folder: RunFolder) -> None:
    """Leave what a job leaves, of its own and of jfcelery's."""
    path = Path(folder.path)
    (path / "a b").write_text("of the job")
    (path / ".hidden").write_text("of the job")
    (path / "sub").mkdir()
    (path / "sub" / "x").write_text("deep")
    (path / "a").write_text("of the job")
    own = ("jfc_status.1", "jfc_end.1", ".jfc_queue_id.1", "queue.err", RunFolder.OUTPUT)
    for name in own:
        (path / name).write_text("of jfcelery")


def carried(folder: RunFolder) -> dict[str, str]:
    """Return all files of a run folder but its marker, those of folders too."""
    paths = [path for path in Path(folder.path).rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder.path)): path.read_text() for path in paths}
    del found[RunFolder.MARKER]
    return found


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("linked", [True, False])
def test_files_of_the_attempt_before_are_kept(
    host: LocalHost, folder: RunFolder, interrupted: bool, linked: bool
) -> None:
    """Only the job's own ones, under the new files; also where links cannot be made."""
    publish(host, folder, "first")
    leave(folder)
    if interrupted:  # an earlier try died after it had moved the folder aside
        Path(folder.path).rename(folder.archived(1).path)
    if not linked:
        path = os.environ["PATH"]
        shim = Path(folder.path.parent, "bin")
        shim.mkdir()
        (shim / "cp").write_text(
            f'#!/bin/sh\n[ "$1" != -al ] || exit 1\nPATH="{path}" exec cp "$@"\n'
        )
        (shim / "cp").chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{shim}:{path}")
            host.publish(Publication(folder, {"a": b"second"}, attempt=2, marker={}, keep=True))
    else:
        host.publish(Publication(folder, {"a": b"second"}, attempt=2, marker={}, keep=True))
    kept = {"a b": "of the job", ".hidden": "of the job", "sub/x": "deep", "a": "second"}
    assert carried(folder) == kept
    assert Path(folder.archived(1) / "queue.err").exists()
    same = Path(folder / "a b").samefile(folder.archived(1) / "a b")
    assert same is linked
    # again, as after a death before submission: nothing is lost
    host.publish(Publication(folder, {"a": b"second"}, attempt=2, marker={}, keep=True))
    assert carried(folder) == kept


def test_nothing_is_kept_where_nothing_was(host: LocalHost, folder: RunFolder) -> None:
    """The first folder of a job that is to go on with files is a plain one."""
    host.publish(Publication(folder, {"a": b"1"}, attempt=2, marker={}, keep=True))
    assert contents(folder) == {"a": "1"}
