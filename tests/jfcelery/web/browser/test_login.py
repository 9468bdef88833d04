"""Logging in to a host with one-time passwords, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jfcelery.database.connection import open_queue
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import LoginNeededError
from jfcelery.scheduler_io.hosts.pool import Hosts
from tests.support.browsing import PATIENCE, PEEP, barriers, show
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory
    from tests.support.web import WebServer

pytestmark = [pytest.mark.hpc, pytest.mark.slow]

#: Who logs in: the one-time passwords of the other users are those of other tests.
USER = "noisy"
#: Passwords that are tried, at most: each counts once, and comes anew every half a minute.
TRIES = 6


@pytest.fixture(scope="module")
def project(factory: ProjectFactory, testbed: Cluster) -> Iterator[Project]:
    """A project with a worker that a person must log in to."""
    place = testbed.bed.data["hosts"]["hpca"]["ssh_otp"]
    worker = testbed.worker("hpca", "slurm", interactive_login=True) | place | {"user": USER}
    made = factory("pages", workers={"otp": worker})
    yield made
    for host in Hosts(made).interactive("otp"):
        host.logout()


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[WebServer]:
    """The web server of the project."""
    with web_server(project, password=PEEP) as running:
        yield running


def ask(page: Page) -> None:
    """Press the button, and wait for the host's question."""
    page.get_by_role("button", name="Log in to otp").click()
    expect(page.get_by_role("dialog")).to_contain_text("One-time password")


def test_a_person_logs_in_with_the_browser(
    page: Page, server: WebServer, project: Project, testbed: Cluster
) -> None:
    """The host's question comes on the page; the answer opens the connection that all share.

    Whoever leaves the dialog has logged in nowhere; a wrong answer is told with ssh's own words.
    The host, held back so far, is tried at once.
    """
    records, key = HostRecords(open_queue(project)), project.get_worker("otp").host_key
    records.failed(key, LoginNeededError("nobody is logged in"))
    (host,) = Hosts(project).interactive("otp")
    show(page, server, "/workers")
    told = page.locator(".q-notification")
    ask(page)
    dialog = page.get_by_role("dialog")
    entry = dialog.get_by_label("Answer")
    expect(entry).to_be_focused()
    expect(entry).to_have_attribute("type", "password")
    assert barriers(page, color_contrast=False) == []
    page.keyboard.press("Escape")
    expect(told.last).to_contain_text("the login failed")
    assert not host.logged_in
    for _ in range(TRIES):
        told.last.get_by_role("button", name="OK").click()
        expect(told).to_have_count(0)
        ask(page)
        entry.fill(testbed.one_time_password())
        page.keyboard.press("Enter")
        again = dialog.get_by_text("the host asks again")
        expect(told.or_(again).first).to_be_visible()
        if not again.count():
            break
        page.keyboard.press("Escape")  # another one, if this was used, or came too late
        expect(told.last).to_contain_text("the login failed")
    expect(told.last).to_contain_text("Logged in to noisy@127.0.0.1")
    assert host.logged_in
    assert host.run("echo here").stdout.strip().endswith("here")
    assert records.get(key).next_poll is not None  # at once
    page.get_by_role("button", name="Log in to otp").click()
    expect(told.last).to_contain_text("You are logged in to")


def test_who_may_only_look_cannot_log_in(browser: Browser, server: WebServer) -> None:
    """With the password for looking there is no button."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    page.get_by_label("Password or token").fill(PEEP)
    page.get_by_role("button", name="Log in").click()
    expect(show(page, server, "/workers")).to_contain_text("jfc worker login otp")
    expect(page.get_by_role("button", name="Log in to otp")).to_have_count(0)
    page.context.close()
