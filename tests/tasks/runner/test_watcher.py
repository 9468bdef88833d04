"""What a running process notices below itself."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery import services
from jfcelery.errors import ConfigError, ServiceStartError
from jfcelery.tasks.runner.watcher import Watcher
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project


@pytest.fixture
def reasons() -> list[str]:
    """What a watcher has called for."""
    return []


@pytest.fixture
def watcher(project: Project, reasons: list[str]) -> Iterator[Watcher]:
    """A watcher, not yet started."""
    made = Watcher(project, reasons.append, interval=0.02)
    yield made
    made.stop()


def source(project: Project) -> Path:
    """Return the project's file."""
    assert project.source is not None
    return project.source


def test_nothing_new(project: Project, watcher: Watcher) -> None:
    """A file that is written again with the same text is no change."""
    assert watcher.look() == ""
    source(project).write_text(source(project).read_text())
    assert watcher.look() == ""


def test_changed(project: Project, watcher: Watcher) -> None:
    """Any other text is a change: every option may matter."""
    source(project).write_text(source(project).read_text() + "\n# a word\n")
    assert "project file" in watcher.look()


def test_unsound(project: Project, watcher: Watcher) -> None:
    """While the file is wrong it is no change; once it is right again it is."""
    text = source(project).read_text()
    source(project).write_text("name: [")
    for _ in range(2):
        with pytest.raises(ConfigError):
            watcher.look()
    source(project).write_text(text + "\n# right again\n")
    assert "project file" in watcher.look()


def test_unsound_and_back(project: Project, watcher: Watcher) -> None:
    """A mistake that is undone is no change."""
    text = source(project).read_text()
    source(project).write_text("name: [")
    with pytest.raises(ConfigError):
        watcher.look()
    source(project).write_text(text)
    assert watcher.look() == ""


def test_removed(project: Project, watcher: Watcher) -> None:
    """A file that is gone is no reason to end."""
    source(project).unlink()
    with pytest.raises(ConfigError):
        watcher.look()


def test_thread(project: Project, watcher: Watcher, reasons: list[str]) -> None:
    """The change is told once, and the watcher ends."""
    watcher.start()
    source(project).write_text(source(project).read_text() + "\n# a word\n")
    wait_until(lambda: reasons, "the change to be noticed")
    wait_until(lambda: "watcher" not in {t.name for t in threading.enumerate()}, "its end")
    assert len(reasons) == 1


def test_complains_once(
    project: Project, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in the file is logged once, not at each look, and the watcher goes on."""
    looks: list[int] = []
    look = watcher.look

    def counted() -> str:
        looks.append(1)
        return look()

    watcher.look = counted  # type: ignore[method-assign]
    source(project).write_text("name: [")
    with caplog.at_level(logging.WARNING):
        watcher.start()
        wait_until(lambda: len(looks) > 3, "several looks")
    assert len([r for r in caplog.records if "Going on as before" in r.message]) == 1


def test_service(project: Project, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service at another address is a change; one that cannot start is a complaint."""
    moved = services.Endpoints(
        services.DatabaseEndpoint("mongodb://elsewhere", "db"),
        services.BrokerEndpoint("redis://elsewhere"),
    )
    monkeypatch.setattr(services, "endpoint", lambda _: moved)
    assert "another address" in watcher.look()

    def down(_: Any) -> None:
        raise ServiceStartError("disk full")

    monkeypatch.setattr(services, "endpoint", down)
    with pytest.raises(ServiceStartError):
        watcher.look()


def test_vital_thread(project: Project, reasons: list[str]) -> None:
    """A process whose beat has ended must start anew."""
    over = threading.Event()
    beat = threading.Thread(target=over.wait, name="Beat")
    beat.start()
    watcher = Watcher(project, reasons.append, vital=[beat])
    assert watcher.look() == ""
    over.set()
    beat.join()
    assert "Beat has ended" in watcher.look()
