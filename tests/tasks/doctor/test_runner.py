"""What the examination, and ``jfc job why``, find of the Celery workers that run, or do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from jfcelery.project import load_file
from jfcelery.tasks.about import ask_all
from jfcelery.tasks.doctor import Level, runner
from jfcelery.tasks.queues import control_queue, host_queue
from jfcelery.tasks.sending import sender
from tests.support.calling import Jfc
from tests.support.queued import Queued
from tests.support.system import System
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from jfcelery.tasks.doctor import Finding

pytestmark = pytest.mark.slow

#: An earlier one.
VERSION = "0.0.1"


@pytest.fixture
def older(project: Project, tmp_path: Path) -> Iterator[System]:
    """A Celery worker of an earlier version, which answers."""
    env = {"PLAYED_VERSION": VERSION}
    with System(project, tmp_path, app="tests.support.older_app:app", env=env) as system:
        system.start_worker()
        wait_until(lambda: ask_all(project), "the Celery worker to answer", deadline=120)
        yield system


def bad(found: Iterator[Finding]) -> list[Finding]:
    """Return the findings that ask for something."""
    return [one for one in found if one.level is not Level.OK]


def test_celery_workers_of_another_version_are_named(project: Project, older: System) -> None:
    """With both versions, and what makes them one."""
    (found,) = bad(runner.check(project))
    name = ask_all(project)[0].name
    assert found.level is Level.WARNING
    assert found.text.startswith(f"{name} runs jfcelery {VERSION}, this is ")
    assert found.remedy.endswith("jfc runner restart")


def test_a_queue_that_nobody_serves_is_named(project: Project, older: System) -> None:
    """By the examination, with the messages in it, and by ``job why`` of the jobs it holds up."""
    name = host_queue(project, "local")
    control = sender(project).app.control
    control.cancel_consumer(name, reply=True)
    wait_until(lambda: name not in ask_all(project)[0].queues, "the queue to be left alone")
    sender(project).poll("local")
    texts = {found.text: found.remedy for found in bad(runner.check(project))}
    assert texts[f"no Celery worker serves the queue {name} (1 messages)"] == "jfc runner restart"
    assert not any(control_queue(project) in text for text in texts)
    flow = Queued(JobController.from_project(project).queue, {"a": []})
    (*_, last) = Jfc(project.name)("job", "why", flow.ids["a"], "--json").data["reasons"]
    assert last == {
        "text": f"No Celery worker serves the queue {name}.",
        "command": "jfc runner restart",
    }


def test_celery_workers_with_another_project_file_are_named(
    project: Project, tmp_path: Path
) -> None:
    """One of another machine to which the change was not copied."""
    assert project.source is not None
    with System(project, tmp_path) as system:
        system.start_worker()
        wait_until(lambda: ask_all(project), "the Celery worker to answer", deadline=120)
        assert bad(runner.check(project)) == []
        text = project.source.read_text()
        project.source.write_text(text.replace('"type": "local"', '"type": "local", "max_jobs": 3'))
        changed = load_file(project.source)
        assert changed.workers["here"].max_jobs == 3
        (found,) = bad(runner.check(changed))
    assert found.level is Level.WARNING
    assert "another content of the project file" in found.text
    assert "Copy the project file to its machine" in found.remedy


def test_messages_without_any_celery_worker_are_counted(project: Project) -> None:
    """That none answers is said as well, with what starts one."""
    sender(project).poll("local")
    found = bad(runner.check(project))
    assert [one.remedy for one in found] == ["jfc runner start", "jfc runner start"]
    assert found[0].text == "no Celery worker answers: jobs do not advance"
    assert found[1].text == "messages wait for a Celery worker: 1"
