"""Logging in from a server, for the Celery workers of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import StateError
from jfcelery.messages import messenger
from tests.support.system import System
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = pytest.mark.slow


def test_a_login_that_would_serve_nobody_is_refused(
    make_project: ProjectFactory, tmp_path: Path
) -> None:
    """Where all Celery workers run on another machine, it is said on which to log in."""
    place = {"host": "192.0.2.1", "work_dir": "/scratch", "interactive_login": True}
    worker = {"type": "remote", "scheduler_type": "slurm", **place}
    project = make_project(workers={"far": worker})
    messages = messenger(project)
    with System(project, tmp_path) as system:
        system.start_worker(1, machine="elsewhere")
        wait_until(messages.celery_workers, "the Celery worker to answer")
        with pytest.raises(StateError, match="run on elsewhere") as refused:
            messages.log_in("far", lambda _question, _alive: None)
    assert refused.value.remedy == "Run there: jfc worker login far"
