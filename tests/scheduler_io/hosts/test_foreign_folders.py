"""Run folders that jobflow-remote made, in the place where ours are to be."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from jfcelery.errors import RunFolderError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.parcels import Publication


def test_a_folder_of_jobflow_remote_is_moved_aside(tmp_path: Path) -> None:
    """It stays beside the new one, and is not removed with that."""
    folder = RunFolder(PurePosixPath(tmp_path, "job_1"))
    old = Path(folder.path)
    old.mkdir()
    (old / "jfremote_in.json").write_text("theirs")
    host = LocalHost()
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    aside = Path(folder.archived(0).path)
    assert (aside / "jfremote_in.json").read_text() == "theirs"
    assert (old / "a").read_bytes() == b"1"
    host.publish(Publication(folder, {"a": b"2"}, attempt=2, marker={}))
    assert host.remove(folder)
    assert [path.name for path in tmp_path.iterdir()] == [aside.name]


def test_any_other_folder_is_in_the_way(tmp_path: Path) -> None:
    """What nobody made for this job is neither moved nor written to."""
    folder = RunFolder(PurePosixPath(tmp_path, "job_1"))
    Path(folder.path).mkdir()
    Path(folder / "precious").write_text("mine")
    with pytest.raises(RunFolderError, match="no run folder of jfcelery"):
        LocalHost().publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert [path.name for path in tmp_path.rglob("*")] == ["job_1", "precious"]
