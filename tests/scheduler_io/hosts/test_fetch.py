"""Files that come back from run folders."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import DiskFullError, RunFolderError, TransferError
from jfcelery.scheduler_io.hosts import scripts
from jfcelery.scheduler_io.hosts.archive import Source, read_sums, unpack
from jfcelery.scheduler_io.hosts.parcels import Publication, is_asked_for

if TYPE_CHECKING:
    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.hosts.local import LocalHost


@pytest.fixture
def filled(host: LocalHost, folder: RunFolder) -> RunFolder:
    """A run folder with some files."""
    files = {"queue.out": b"out", "queue.err": b"", "store_a.json": b"[1]", "store_b.json": b"[2]"}
    host.publish(Publication(folder, {**files, "big": os.urandom(3_000_000)}, attempt=1, marker={}))
    return folder


def test_names_and_patterns(host: LocalHost, filled: RunFolder, tmp_path: Path) -> None:
    """Files come by name and by pattern, each once; what is not there is just absent."""
    wanted = ["queue.out", "store_*.json", "nothing", "no*", "queue.*", "big"]
    names = host.fetch(filled, wanted, tmp_path / "in")
    assert sorted(names) == ["big", "queue.err", "queue.out", "store_a.json", "store_b.json"]
    for name in names:
        assert (tmp_path / "in" / name).read_bytes() == Path(filled / name).read_bytes()
    assert [path.name for path in tmp_path.glob("in*")] == ["in"]


def test_nothing_matches(host: LocalHost, filled: RunFolder, tmp_path: Path) -> None:
    """If nothing is there, nothing comes, and that is no error."""
    assert host.fetch(filled, ["nothing", "x*"], tmp_path / "in") == []


def test_into_a_folder_with_files(host: LocalHost, filled: RunFolder, tmp_path: Path) -> None:
    """Files that came earlier are replaced, others stay."""
    target = tmp_path / "in"
    target.mkdir()
    (target / "queue.out").write_text("old")
    (target / "other").write_text("mine")
    host.fetch(filled, ["queue.out"], target)
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "queue.out": "out",
        "other": "mine",
    }


def test_links_are_followed(host: LocalHost, filled: RunFolder, tmp_path: Path) -> None:
    """A link to a file comes as the file; folders and dead links do not come."""
    Path(filled / "link").symlink_to("queue.out")
    Path(filled / "dead").symlink_to("nowhere")
    Path(filled / "sub").mkdir()
    assert host.fetch(filled, ["link", "dead", "sub"], tmp_path / "in") == ["link"]
    assert (tmp_path / "in" / "link").read_text() == "out"


def test_hard_links(host: LocalHost, filled: RunFolder, tmp_path: Path) -> None:
    """Two names of one file come as two files."""
    Path(filled / "second").hardlink_to(Path(filled / "queue.out"))
    assert sorted(host.fetch(filled, ["queue.out", "second"], tmp_path / "in")) == [
        "queue.out",
        "second",
    ]
    assert (tmp_path / "in" / "second").read_text() == "out"


def test_missing_folder(host: LocalHost, folder: RunFolder, tmp_path: Path) -> None:
    """A run folder that is not there is an error, unlike a file."""
    with pytest.raises(RunFolderError, match="is not there"):
        host.fetch(folder, ["*"], tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_file_that_changes_meanwhile(
    host: LocalHost, filled: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that grows between its checksum and its transfer is not taken for whole."""
    grow = f"echo more >> '{filled}/queue.out'; tar chf"
    monkeypatch.setattr(scripts, "_FETCH", scripts._FETCH.replace("tar chf", grow))
    with pytest.raises(TransferError, match=r"checksum of queue\.out differs"):
        host.fetch(filled, ["queue.out"], tmp_path / "in")
    assert list(tmp_path.glob("in*")) == []


def test_stream_that_breaks(
    host: LocalHost, filled: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that ends in the middle leaves nothing here."""
    cut = scripts._FETCH + "exit 0\n"
    monkeypatch.setattr(scripts, "_FETCH", cut.replace('"$@"\nexit', '"$@" | head -c 100000\nexit'))
    with pytest.raises(TransferError):
        host.fetch(filled, ["big"], tmp_path / "in")
    assert list(tmp_path.glob("in*")) == []


def test_host_without_checksum_tools(
    host: LocalHost, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither sha256sum nor shasum is there, files come and go all the same."""
    common = scripts._COMMON.replace("sha256sum", "no-sum").replace("shasum", "no-sum")
    monkeypatch.setattr(scripts, "_COMMON", common)
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert host.fetch(folder, ["a"], tmp_path / "in") == ["a"]


def test_full_disk_here(host: LocalHost, filled: RunFolder) -> None:
    """A folder of this machine that cannot be written is told from one of the host."""
    with pytest.raises(DiskFullError, match="this machine"):
        host.fetch(filled, ["*"], Path("/proc/nowhere/in"))


def test_read_text(host: LocalHost, filled: RunFolder) -> None:
    """A text comes whole or its end only; a file that is not there is None."""
    assert host.read_text(filled / "queue.out") == "out"
    assert host.read_text(filled / "queue.out", tail=2) == "ut"
    assert host.read_text(filled / "queue.err") == ""
    assert host.read_text(filled / "nothing") is None
    assert host.read_text(filled.archived(1) / "nothing") is None


def test_read_text_of_a_folder(host: LocalHost, filled: RunFolder) -> None:
    """A folder has no text."""
    with pytest.raises(RunFolderError, match="cannot read"):
        host.read_text(filled.path)


def stream(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Source:
    """Return a tar stream in small pieces."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.mtime = len(content), kind, int(time.time())
            info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    data = buffer.getvalue()
    pieces = iter([data[at : at + 100] for at in range(0, len(data), 100)])
    return Source(lambda: next(pieces, b""))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "other"])
def test_host_that_sends_something_else(tmp_path: Path, name: str) -> None:
    """A host cannot write anything here but the files that were asked for."""
    with pytest.raises(TransferError, match="not asked for"):
        list(unpack(stream((name, b"x")), {"wanted": "-"}, tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [".bashrc", "sub/queue.out", "other", "../queue.out"])
def test_host_that_has_more_to_send(
    host: LocalHost, filled: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    """Nor one that offers other files beside those, with their checksums: all of it is refused."""
    for name in ("sub/queue.out", ".bashrc", "other"):
        (Path(str(filled)) / name).parent.mkdir(exist_ok=True)
        (Path(str(filled)) / name).write_text("evil")
    (Path(str(filled)).parent / "queue.out").write_text("evil")
    added = scripts._FETCH.replace("shift\n[", f"shift\nset -- \"$@\" '{more}'\n[")
    assert added != scripts._FETCH
    monkeypatch.setattr(scripts, "_FETCH", added)
    with pytest.raises(TransferError, match="not asked for"):
        host.fetch(filled, ["queue.*", "*"] if "/" in more else ["queue.*"], tmp_path / "in")
    assert list(tmp_path.glob("in*")) == []


@pytest.mark.parametrize(
    "name, pattern, may",
    [
        ("a.out", "*.out", True),
        ("sub/a.out", "*/*.out", True),
        (".jfc_x", ".jfc_*", True),
        ("a[1].out", "a[1].out", True),
        ("ab.out", "a[[:alpha:]].out", True),
        ("a?b", "a?b", True),
        (".bashrc", "*", False),
        ("sub/.bashrc", "*/*", False),
        ("sub/a.out", "*.out", False),
        ("b1.out", "a[1].out", False),
        ("a.out2", "*.out", False),
        ("A.out", "a.out", False),
    ],
)
def test_what_a_host_may_send(name: str, pattern: str, may: bool) -> None:
    """What a shell might take for a pattern, in its own folder only."""
    assert is_asked_for(name, {"": [pattern]}) is may
    assert is_asked_for(f"ab/u_1/{name}", {"ab/u_1": [pattern], "ab/u_2": ["*"]}) is may
    assert not is_asked_for(f"ab/u_3/{name}", {"ab/u_1": [pattern], "ab/u_2": ["*"]})


def test_host_that_sends_a_link(tmp_path: Path) -> None:
    """A link in the stream is refused."""
    with pytest.raises(TransferError, match="not asked for"):
        list(unpack(stream(("wanted", b""), kind=tarfile.SYMTYPE), {"wanted": "-"}, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_sums() -> None:
    """Checksums are read up to an empty line, names may hold blanks."""
    data = iter([b"abc  a b\n-  c", b"\n\nrest"])
    source = Source(lambda: next(data, b""))
    assert read_sums(source) == {"a b": "abc", "c": "-"}
    assert source.read(10) == b"rest"
