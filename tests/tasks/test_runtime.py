"""A changed project file is noticed; steps that are at work finish with what they began with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jfcelery.tasks import runtime
from jfcelery.tasks.runtime import Current, Runtime

if TYPE_CHECKING:
    import pytest

    from jfcelery.project import Project


def _change(project: Project, **sections: object) -> None:
    assert project.source is not None
    content = json.loads(project.source.read_text())
    project.source.write_text(json.dumps(content | sections))


def test_a_changed_project_file_does_not_cut_off_steps_at_work(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections of the old version are closed only when nobody can be using them."""
    closed: list[Runtime] = []

    def close(self: Runtime) -> None:
        closed.append(self)

    monkeypatch.setattr(Runtime, "close", close)
    monkeypatch.setattr(runtime, "LOOK_INTERVAL", -1.0)
    current = Current(project)
    old = current.get()
    assert current.get() is old
    _change(project, log_level="debug")
    new = current.get()
    assert new is not old
    assert new.project.log_level == "debug"
    assert closed == []
    monkeypatch.setattr(runtime, "LONGEST_USE", -1.0)
    assert current.get() is new
    assert closed == [old]
    current.get()
    assert closed == [old]


def test_an_unsound_project_file_is_not_taken(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ran goes on with the last sound version."""
    monkeypatch.setattr(runtime, "LOOK_INTERVAL", -1.0)
    current = Current(project)
    old = current.get()
    _change(project, workers={"here": {"type": "nonsense"}})
    assert current.get() is old
