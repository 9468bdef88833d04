"""A browser, and for each file of tests a project with its web server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from jfcelery.controller import JobController
from tests.conftest import missing
from tests.support.browsing import PATIENCE, PEEP, silicon
from tests.support.projects import ProjectFactory
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, ViewportSize

    from jfcelery.project import Project
    from tests.support.queued import Queued
    from tests.support.web import WebServer

#: Beside the worker on this machine, one whose scheduler knows resources; nobody connects to it.
CLUSTER = {
    "type": "remote",
    "host": "192.0.2.1",
    "scheduler_type": "slurm",
    "work_dir": "/scratch",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window; its event loop runs as long as it is there."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("the browser tests need chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except Error as why:
            missing(why)
        yield started
        started.close()


@pytest.fixture(scope="module")
def factory(
    session_folder: Path, mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProjectFactory]:
    """Makes the one project of a file of tests."""
    made = ProjectFactory(tmp_path_factory.mktemp("web"), mongo_url, redis_url)
    yield made
    made.retire()


@pytest.fixture(scope="module")
def project(factory: ProjectFactory) -> Project:
    """The project."""
    here = {"type": "local", "scheduler_type": "shell", "work_dir": str(factory.folder / "work")}
    return factory("pages", workers={"here": here, "cluster": CLUSTER})


@pytest.fixture(scope="module")
def controller(project: Project) -> JobController:
    """The controller of the project."""
    return JobController.from_project(project)


@pytest.fixture(scope="module")
def flow(controller: JobController) -> Queued:
    """A flow with jobs in many states, made of jobs with the ids 1 to 5."""
    return silicon(controller.queue)


@pytest.fixture(scope="module")
def server(project: Project, flow: Queued) -> Iterator[WebServer]:
    """The web server of the project."""
    with web_server(project, password=PEEP) as running:
        yield running


@pytest.fixture
def at_home(factory: ProjectFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process find the project."""
    monkeypatch.setenv("JFCELERY_PROJECTS_FOLDER", str(factory.folder))


@pytest.fixture(scope="module")
def page(browser: Browser, server: WebServer) -> Iterator[Page]:
    """A page of somebody who logged in with the printed link.

    Whatever the tests do: nobody else is ever asked for anything, and no script fails.
    """
    foreign: list[str] = []
    screen: ViewportSize = {"width": 1280, "height": 800}
    opened = browser.new_context(viewport=screen, reduced_motion="reduce").new_page()
    opened.set_default_timeout(PATIENCE)
    opened.on("request", lambda r: None if _own(server, r.url) else foreign.append(r.url))
    opened.on("pageerror", lambda error: foreign.append(str(error)))
    opened.goto(server.link)
    yield opened
    opened.context.close()
    assert foreign == []


def _own(server: WebServer, url: str) -> bool:
    host = server.url.partition("://")[2]
    return url.startswith(("data:", "blob:")) or url.partition("://")[2].startswith(host)
