"""Which processes a runner consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from jfcelery.errors import RunnerError
from jfcelery.tasks.runner import layout as module
from jfcelery.tasks.runner.layout import Layout, Role

if TYPE_CHECKING:
    from pathlib import Path


def names(layout: Layout) -> list[str]:
    """Return the names of a layout's processes."""
    return [member.name for member in layout.members()]


def test_default() -> None:
    """By default one Celery worker serves control, another one the hosts."""
    assert names(Layout(flower=False)) == ["control-1", "hosts-1"]


def test_numbers() -> None:
    """--transfer and --complete give the numbers of Celery workers."""
    layout = Layout(transfer=3, complete=2, flower=False)
    assert names(layout) == ["control-1", "control-2", "hosts-1", "hosts-2", "hosts-3"]


def test_single() -> None:
    """--single makes one Celery worker for all queues."""
    (member,) = Layout(single=True, transfer=4, flower=False).members()
    assert member.role is Role.ALL
    assert member.beat


def test_one_beat() -> None:
    """Exactly one process sends the periodic tasks."""
    members = Layout(transfer=2, complete=3).members()
    assert [member.name for member in members if member.beat] == ["control-1"]


def test_flower_comes_last() -> None:
    """Flower is one of the processes."""
    assert names(Layout(flower=True))[-1] == "flower"


def test_kept(tmp_path: Path) -> None:
    """A layout is read back as it was kept."""
    layout = Layout(transfer=2, log_level="debug", flower=False)
    path = tmp_path / "layout.json"
    path.write_text(layout.model_dump_json())
    assert Layout.read(path) == layout


@pytest.mark.parametrize("text", ["", "{", '{"transfer": 0}', '{"unknown": 1}'])
def test_unreadable(tmp_path: Path, text: str) -> None:
    """What cannot be read as a layout counts as none."""
    path = tmp_path / "layout.json"
    path.write_text(text)
    assert Layout.read(path) is None


def test_bounds() -> None:
    """A layout without any Celery worker is refused."""
    with pytest.raises(ValidationError):
        Layout(transfer=0)


def test_without_flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Flower is not installed it is left out, and asking for it says what to install."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert not Layout().flower
    with pytest.raises(RunnerError, match="pip install"):
        Layout(flower=True).check()
