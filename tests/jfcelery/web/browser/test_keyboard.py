"""The pages by the keyboard alone, and who may press what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jfcelery.states import JobState
from tests.support.browsing import PATIENCE, PEEP, barriers, show

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.support.queued import Queued
    from tests.support.web import WebServer

pytestmark = pytest.mark.slow


_ALL = """[...document.querySelectorAll(
        'a[href], button, input, select, summary, [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !e.closest('[aria-hidden=true]'))"""
#: Everything that the keyboard must reach, by its place on the page.
STOPS = f"() => {_ALL}.map((_, place) => place)"
#: Which of them has the focus (the page may have made it anew), and whether one sees so: on itself
#: or on the box within it.
FOCUSED = f"""() => [{_ALL}.indexOf(document.activeElement),
    [document.activeElement, ...document.activeElement.querySelectorAll('*')].some(e =>
        getComputedStyle(e).outlineStyle === 'solid' && e.getBoundingClientRect().width > 5)]"""


#: Whether the focus is on nothing of the page behind a dialog; between the last thing of the dialog
#: and the first, it is the browser's own.
NOT_BEHIND = """() => document.activeElement === document.body
    || document.activeElement.closest('[role=dialog]') !== null"""


@pytest.mark.parametrize(
    "path", ["/", "/flows", "/reports", "/workers", "/flow/1", "/jobs", "/job/1"]
)
def test_tab_goes_through_the_whole_page(page: Page, server: WebServer, path: str) -> None:
    """Tab reaches all there is to press, in the order in which it is read, and one sees where."""
    show(page, server, path)
    stops = page.evaluate(STOPS)
    assert len(stops) > 8
    for stop in stops:
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == [stop, True], path


def tab_to(page: Page, wanted: Locator, key: str) -> None:
    """Press a key until something has the focus."""
    for _ in range(60):
        page.keyboard.press(key)
        if wanted.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"{key} does not reach {wanted}")


def test_a_job_is_paused_by_keyboard(page: Page, server: WebServer, flow: Queued) -> None:
    """Space ticks it, Enter presses; the dialog holds the focus, and gives it back.

    No mouse and no script helps: Tab goes to the box, and back to the button.
    """
    show(page, server, "/jobs?name=late")
    box = page.get_by_role("checkbox", name=f"Choose job {flow.ids['late']}")
    button = page.get_by_role("button", name="Pause", exact=True)
    expect(box).to_be_visible()
    tab_to(page, box, "Tab")
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    tab_to(page, button, "Shift+Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Pause 1 job: 1 READY")
    expect(dialog.locator(":focus")).to_have_text("Cancel")
    page.keyboard.press("Tab")
    expect(dialog.locator(":focus")).to_have_text("Pause")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    expect(page.get_by_role("region", name="Jobs", exact=True)).to_contain_text("PAUSED")
    assert flow.state("late") is JobState.PAUSED


@pytest.mark.parametrize("words", ["Delete", "Priority"])
def test_whoever_leaves_a_dialog_is_where_they_were(
    page: Page, server: WebServer, words: str
) -> None:
    """Tab does not leave a dialog, Escape does, and so does Cancel; both give the focus back."""
    show(page, server, "/job/5")
    button = page.get_by_role("button", name=words)
    dialog = page.get_by_role("dialog")
    button.focus()
    page.keyboard.press("Enter")
    expect(dialog.locator(":focus")).to_have_count(1)
    # It takes what lies behind the dialog for its ground.
    assert barriers(page, color_contrast=False) == []
    for _ in range(5):
        page.keyboard.press("Tab")
        page.wait_for_function(NOT_BEHIND)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()


def test_the_keyboard_reaches_content_first(page: Page, server: WebServer) -> None:
    """The first press of Tab offers to skip the navigation; Enter follows it."""
    show(page, server, "/flows")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#content"))


def test_readers_see_no_buttons_and_leave(browser: Browser, server: WebServer) -> None:
    """With the password for looking there is nothing to press; logging out ends the session."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    page.get_by_label("Password or token").fill(PEEP)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(server.url + "/")
    show(page, server, "/jobs")
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    page.goto(server.url + "/jobs")
    expect(page).to_have_url(server.url + "/login")
