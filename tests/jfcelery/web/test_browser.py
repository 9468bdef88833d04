"""The pages in a real browser: what is shown, live, and what buttons do."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect, sync_playwright

from jfcelery.controller import JobController
from jfcelery.errors import JobNotFoundError
from jfcelery.states import JobState
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.conftest import missing
from tests.support.calling import Jfc
from tests.support.projects import ProjectFactory
from tests.support.queued import Queued
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page, ViewportSize

    from tests.support.web import WebServer

pytestmark = pytest.mark.slow

#: Milliseconds that a browser on a slow machine gets.
PATIENCE = 60_000
#: The password that lets only look.
PEEP = "only to look"
#: A name with what would be markup, were it not escaped.
NASTY = "<b onclick=x>dos</b>"
#: Pages that are looked at as a whole.
PATHS = ("/", "/flows", "/jobs", "/reports", "/workers", "/flow/1", "/job/1")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
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
) -> ProjectFactory:
    """Makes the one project of these tests."""
    return ProjectFactory(tmp_path_factory.mktemp("web"), mongo_url, redis_url)


@pytest.fixture(scope="module")
def controller(factory: ProjectFactory) -> JobController:
    """The controller of the project."""
    return JobController.from_project(factory("pages"))


@pytest.fixture(scope="module")
def flow(controller: JobController) -> Queued:
    """A flow with jobs in many states, made of jobs with the ids 1 to 5."""
    edges = {"relax": [], "static": ["relax"], NASTY: ["static"], "bands": ["static"], "late": []}
    made = Queued(controller.queue, edges, name="silicon")
    made.bring("relax", JobState.COMPLETED)
    made.bring("static", JobState.COMPLETED)
    made.bring(NASTY, JobState.FAILED)
    made.bring("bands", JobState.RUNNING)
    return made


@pytest.fixture(scope="module")
def server(factory: ProjectFactory, flow: Queued) -> Iterator[WebServer]:
    """The web server of the project."""
    from jfcelery.project import load_file

    project = load_file(factory.folder / "pages.yaml")
    with web_server(project, password=PEEP) as running:
        yield running


@pytest.fixture
def at_home(factory: ProjectFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process find the project."""
    monkeypatch.setenv("JFCELERY_PROJECTS_FOLDER", str(factory.folder))


@pytest.fixture(scope="module")
def foreign() -> list[str]:
    """What the pages asked of anybody else, and errors of their scripts."""
    return []


@pytest.fixture(scope="module")
def page(browser: Browser, server: WebServer, foreign: list[str]) -> Page:
    """A page of somebody who logged in with the printed link."""
    screen: ViewportSize = {"width": 1280, "height": 800}
    opened = browser.new_context(viewport=screen, reduced_motion="reduce").new_page()
    opened.set_default_timeout(PATIENCE)
    opened.on("request", lambda r: None if _own(server, r.url) else foreign.append(r.url))
    opened.on("pageerror", lambda error: foreign.append(str(error)))
    opened.goto(server.link)
    return opened


def _own(server: WebServer, url: str) -> bool:
    host = server.url.partition("://")[2]
    return url.startswith(("data:", "blob:")) or url.partition("://")[2].startswith(host)


def show(page: Page, server: WebServer, path: str) -> Locator:
    """Go to a page, and return its content once all of it is there."""
    page.goto(server.url + path)
    content = page.locator("#content")
    expect(content.locator("h1")).to_be_visible()
    expect(content.get_by_text("Loading …")).to_have_count(0)
    return content


def barriers(page: Page, **rules: bool) -> list[str]:
    """Return what axe finds that keeps people from using a page; rules may be switched off."""
    chosen = {name.replace("_", "-"): {"enabled": is_on} for name, is_on in rules.items()}
    options = {"resultTypes": ["violations"], "rules": chosen}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def test_the_overview_counts_jobs_and_names_failures(page: Page, server: WebServer) -> None:
    """States lead to their jobs; hosts, throughput and failures are there."""
    content = show(page, server, "/")
    expect(content.locator(".tiles a", has_text="COMPLETED").locator("b")).to_have_text("2")
    headings = ("Ended in the last hours", "Hosts and queues", "Recent failures", "Flows")
    for heading in (*headings, "Celery workers and runner"):
        expect(content.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    content.locator(".tiles a", has_text="FAILED").click()
    expect(page).to_have_url(re.compile("/jobs.state=FAILED"))


def test_jobs_are_filtered_and_names_are_no_markup(
    page: Page, server: WebServer, flow: Queued
) -> None:
    """The filter's form goes into the address; a name that looks like HTML is only shown."""
    content = show(page, server, "/jobs")
    expect(content.locator("tbody tr", has=page.locator("a"))).to_have_count(5)
    page.get_by_label("State").select_option("FAILED")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("#content tbody tr", has=page.locator("a"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(NASTY)
    expect(page.locator("[onclick]")).to_have_count(0)
    show(page, server, "/flow/1")
    expect(page.locator("[onclick]")).to_have_count(0)
    uuid = flow.uuids["late"]
    for query in ("id=5", f"id={uuid}", "name=late&since=2020-01-01&until=2099-01-01"):
        expect(show(page, server, f"/jobs?{query}").locator("tbody tr")).to_have_count(1)
    expect(show(page, server, "/jobs?metadata=a=b")).to_contain_text("No job matches.")
    expect(show(page, server, "/jobs?locked=yes")).to_contain_text("No job matches.")
    expect(show(page, server, "/jobs?metadata=a")).to_contain_text("written name=value")


def test_changes_appear_without_reloading(page: Page, server: WebServer, flow: Queued) -> None:
    """A job that moves on in the database moves on in every open page."""
    show(page, server, "/flow/1")
    node = page.locator(".node", has_text="bands")
    expect(node).to_contain_text("RUNNING")
    flow.jobs.transition(flow.doc("bands"), "end", JobState.RUN_FINISHED, by="test")
    expect(node).to_contain_text("RUN_FINISHED")
    show(page, server, "/job/4")
    expect(page.get_by_role("region", name="History")).to_contain_text("RUN_FINISHED")


def test_actions_preview_ask_and_do(page: Page, server: WebServer, flow: Queued) -> None:
    """Ticked jobs are paused after a confirmation; one that refuses is named with its reason."""
    show(page, server, "/jobs?name=late")
    page.get_by_role("checkbox", name="Choose job 5").click()
    page.get_by_role("button", name="Pause", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Pause 1 job: 1 READY")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert flow.state("late") is JobState.READY
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#content tbody")).to_contain_text("PAUSED")
    assert flow.state("late") is JobState.PAUSED
    show(page, server, "/job/5")
    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator(".q-notification")).to_contain_text("Job 5: it is PAUSED")


def test_every_action_says_what_the_command_says(
    page: Page, server: WebServer, controller: JobController, at_home: None
) -> None:
    """Each button: its preview, what was done, and each refusal are the command line's words."""
    states = {
        "lost": JobState.REMOTE_ERROR,
        "wrong": JobState.FAILED,
        "gone": JobState.COMPLETED,
    }
    flow = Queued(controller.queue, dict.fromkeys([*states, "ready"], ()), name="acts")
    for name, state in states.items():
        flow.bring(name, state)
    jfc = Jfc("pages")

    def press(name: str, words: str, shown: str, *, typed: str = "") -> str:
        """Press a button on a job's page, answer the dialogs, and return what is told then."""
        show(page, server, f"/job/{flow.ids[name]}")
        page.get_by_role("button", name=words).first.click()
        if typed:
            page.get_by_role("dialog").get_by_role("textbox").fill(typed)
            page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog").filter(has_text=shown)
        expect(dialog).to_be_visible()
        dialog.get_by_role("button").last.click()
        told = page.locator(".q-notification").last
        expect(told).to_be_visible()
        return told.inner_text().strip()

    lost, wrong, gone, ready = (flow.ids[name] for name in (*states, "ready"))
    assert f"1 job will be tried again: {lost}" in press("lost", "Retry", "Retry 1 job")
    assert flow.state("lost") is JobState.DOWNLOADED
    assert f"1 job set to start again: {wrong}" in press("wrong", "Rerun", "Rerun 1 job: 1 FAILED")
    assert flow.state("wrong") is JobState.READY
    assert f"1 job stopped: {ready}" in press("ready", "Stop", "Stop 1 job: 1 READY")
    assert flow.state("ready") is JobState.USER_STOPPED
    assert f"1 job resumed: {ready}" in press("ready", "Resume", "Resume 1 job: 1 USER_STOPPED")
    assert flow.state("ready") is JobState.READY
    preview = "Set priority 7 of 1 job: 1 READY"
    assert f"1 job given priority 7: {ready}" in press("ready", "Priority", preview, typed="7")
    assert flow.doc("ready").priority == 7
    refused = jfc("job", "pause", gone).stderr.splitlines()[-1]
    assert refused in press("gone", "Pause", "Pause 1 job: 1 COMPLETED")
    refused = jfc("job", "set", "resources", '{"nodes": 2}', "-did", gone).stderr.splitlines()[-1]
    preview = "Set these resources beside its others of 1 job: 1 COMPLETED"
    assert refused in press("gone", "Resources", preview, typed="nodes=2")
    asked = jfc("job", "delete", gone, stdin="n\n").stderr
    assert f"1 job deleted: {gone}" in press("gone", "Delete", "Delete 1 job: 1 COMPLETED")
    assert "Delete 1 job: 1 COMPLETED\nThis cannot be undone." in asked
    with pytest.raises(JobNotFoundError):
        flow.doc("gone")


def test_dialogs_are_used_by_keyboard(page: Page, server: WebServer) -> None:
    """Enter opens a dialog, whose harmless button has the focus; Escape leaves it."""
    show(page, server, "/job/5")
    button = page.get_by_role("button", name="Delete", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This cannot be undone.")
    expect(dialog.locator(":focus")).to_have_text("Cancel")
    # It takes what lies behind the dialog for its ground.
    assert barriers(page, color_contrast=False) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_what_a_job_writes_is_followed(
    page: Page, server: WebServer, controller: JobController, tmp_path: Path
) -> None:
    """The end of its output grows on its page while it runs, and is whole when it has ended."""
    flow = Queued(controller.queue, {"talks": []}, name="logs")
    flow.jobs.update(flow.bring("talks", JobState.RUNNING), {"run_dir": str(tmp_path)})
    out = tmp_path / "queue.out"
    out.write_text("first\n")
    show(page, server, f"/job/{flow.ids['talks']}")
    page.get_by_text("End of queue.out").click()
    log = page.get_by_role("log", name="End of queue.out")
    expect(log).to_have_text("first")
    out.write_text("first\nsecond <b>\n")
    expect(log).to_contain_text("second <b>")
    doc = flow.jobs.transition(flow.doc("talks"), "end", JobState.DOWNLOADED, by="test")
    out.write_text("first\nsecond <b>\nlast\n")
    flow.jobs.transition(doc, "finalize", JobState.COMPLETED, by="test")
    expect(log).to_contain_text("last")


def test_a_job_shows_its_error_and_more_on_demand(page: Page, server: WebServer) -> None:
    """The error, what would move it on, its history; inputs and script once they are opened."""
    content = show(page, server, "/job/3")
    expect(content).to_contain_text("ValueError: wrong")
    expect(content).to_contain_text("jfc job rerun 3")
    page.get_by_text("Inputs", exact=True).click()
    expect(content.locator("details.tree")).to_be_visible()
    page.get_by_text("Submission script", exact=True).click()
    expect(content.locator("pre", has_text="#!")).to_be_visible()


def test_a_worker_is_paused_and_resumed(page: Page, server: WebServer) -> None:
    """The page of workers holds a host back and lets it go."""
    content = show(page, server, "/workers")
    page.get_by_role("button", name="Pause here").click()
    expect(content).to_contain_text("paused by")
    page.get_by_role("button", name="Resume here").click()
    expect(content).not_to_contain_text("paused by")


def test_the_runner_is_started_and_stopped(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """Its processes and Celery workers come and go on the page, and on the overview."""
    content = show(page, server, "/workers")
    processes = content.get_by_role("region", name="Processes of the runner")
    celery = content.get_by_role("region", name="Celery workers")
    runner = Runner(controller.project)
    runner.folder.make()
    small = Layout(single=True, flower=False, concurrency=2)
    runner.folder.layout.write_text(small.model_dump_json())
    try:
        page.get_by_role("button", name="Start the runner").click()
        expect(processes).to_have_text(re.compile(r"worker\s*running"))
        expect(celery).to_contain_text("pages")
        show(page, server, "/")
        expect(celery).to_contain_text("pages")
        show(page, server, "/workers")
        page.get_by_role("button", name="Stop the runner").click()
        expect(processes).to_contain_text("stopped")
    finally:
        runner.kill()


def test_reports_are_downloaded(page: Page, server: WebServer) -> None:
    """The link gives the table of periods as CSV."""
    show(page, server, "/reports")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    assert download.value.suggested_filename == "jfcelery-jobs-days-by-period.csv"
    text = download.value.path().read_text()
    assert text.startswith("period,COMPLETED,FAILED,REMOTE_ERROR\n")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_can_be_read(page: Page, server: WebServer, width: int, scheme: str) -> None:
    """On a laptop and a phone nothing is wider than the screen; the colours follow the scheme."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in PATHS[:: 1 if width < 1000 else 3]:
        show(page, server, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        dark = page.evaluate("document.body.classList.contains('body--dark')")
        assert dark is (scheme == "dark"), path
        if width > 1000:
            assert barriers(page) == [], path
    page.set_viewport_size({"width": 1280, "height": 800})


def test_every_control_has_a_name(page: Page, server: WebServer) -> None:
    """A screen reader finds a name for each field, button, link and table, and one heading."""
    nameless = """() => [...document.querySelectorAll(
            'button, input:not(.q-checkbox__native), select, #content a, [role=checkbox]')]
        .filter(e => !(e.innerText || e.textContent || e.getAttribute('aria-label') || e.title
                       || (e.labels && e.labels.length))).map(e => e.outerHTML.slice(0, 200))"""
    for path in ("/", "/jobs", "/flow/1", "/job/3", "/workers"):
        show(page, server, path)
        assert page.evaluate(nameless) == [], path
        assert page.locator("h1").count() == 1
        assert page.locator("html[lang]").count() == 1
    expect(page.locator('nav [aria-current="page"]')).to_have_text("Workers")


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


def test_nothing_comes_from_elsewhere(page: Page, foreign: list[str]) -> None:
    """All of the above asked nobody but our own server, and no script failed."""
    del page
    assert foreign == []
