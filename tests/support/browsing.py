"""Looking at the pages in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from jfcelery.database.connection import QueueDatabase
    from tests.support.web import WebServer

#: Milliseconds that a browser on a slow machine gets.
PATIENCE = 60_000
#: The password that lets only look.
PEEP = "only to look"
#: A name with what would be markup, were it not escaped.
NASTY = "<b onclick=x>dos</b>"


def show(page: Page, server: WebServer, path: str) -> Locator:
    """Go to a page, and return its content once all of it is there."""
    page.goto(server.url + path)
    content = page.locator("#content")
    expect(content.locator("h1")).to_be_visible()
    expect(content.get_by_text("Loading …")).to_have_count(0)
    # It has no name, and goes by itself.
    expect(page.locator(".q-loading-bar")).not_to_be_in_viewport()
    return content


def barriers(page: Page, **rules: bool) -> list[str]:
    """Return what axe finds that keeps people from using a page; rules may be switched off."""
    chosen = {name.replace("_", "-"): {"enabled": is_on} for name, is_on in rules.items()}
    options = {"resultTypes": ["violations"], "rules": chosen}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def silicon(queue: QueueDatabase) -> Queued:
    """Return a flow with jobs in many states, made of jobs with the ids 1 to 5."""
    edges = {"relax": [], "static": ["relax"], NASTY: ["static"], "bands": ["static"], "late": []}
    made = Queued(queue, edges, name="silicon")
    made.bring("relax", JobState.COMPLETED)
    made.bring("static", JobState.COMPLETED)
    made.bring(NASTY, JobState.FAILED)
    made.bring("bands", JobState.RUNNING)
    return made
