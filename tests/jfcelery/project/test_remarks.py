"""Remarks on valid project files: what has no effect, what is better changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.project import load_file, notes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from jfcelery.project import Project

DATA = Path(__file__).parent / "data"


def test_options_in_vain_are_told() -> None:
    """Each option that is set but does nothing is named once."""
    found = {note.key: note.text for note in notes(load_file(DATA / "every.json"))}

    assert "workers.r.batch" not in found
    assert "without effect" in found["workers.r.inline_ssh_env"]
    assert "without effect" in found["remote_jobstore"]
    assert "workers.r.keepalive" not in found


def test_jobflow_remotes_command_and_lock_are_told() -> None:
    """A copied file still runs ``jf`` and locks for a day."""
    every = {note.key: note.text for note in notes(load_file(DATA / "every.json"))}
    full = {note.key: note.text for note in notes(load_file(DATA / "full_yaml.yaml"))}

    assert "jfc execution run {}" in every["workers.l.execution_cmd"]
    assert "counts as 600" in full["runner.lock_timeout"]


def test_readable_passwords_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords in a file that others may read; references to them may be read."""
    monkeypatch.setenv("PW", "abc")
    path = tmp_path / "p.yaml"
    text = (
        "name: p\n"
        "workers: {{w: {{type: remote, scheduler_type: slurm, work_dir: /w, host: h, {}}}}}\n"
    )
    path.write_text(text.format("password: abc"))
    path.chmod(0o644)
    told = notes(load_file(path))
    path.chmod(0o600)
    private = notes(load_file(path))
    (tmp_path / "secret").write_text("abc")
    path.write_text(text.format("password: 'file:secret'") + "broker: {url: 'redis://:${PW}@h'}")
    path.chmod(0o644)
    referring = notes(load_file(path))
    path.write_text("name: p\nbroker: {url: 'redis://:abc@h'}")
    address = notes(load_file(path))

    assert [note.text for note in told] == [
        f"passwords in a file that others may read; run `chmod 600 {path}`"
    ]
    assert address == told
    assert private == referring == []


def test_a_plain_project_has_no_remarks(load: Callable[..., Project]) -> None:
    """Defaults are never remarked upon."""
    assert notes(load()) == []
