"""The pages in a real browser: what is shown, and how it changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jfcelery.controller.grouping import MOST_NODES
from jfcelery.states import JobState
from tests.support.browsing import NASTY, barriers, show
from tests.support.entries import QUICK_JOB
from tests.support.queued import Queued

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from jfcelery.controller import JobController
    from tests.support.web import WebServer

pytestmark = pytest.mark.slow

#: Pages that are looked at as a whole.
PATHS = ("/", "/flows", "/jobs", "/reports", "/workers", "/flow/1", "/job/1")


def test_the_overview_counts_jobs_and_names_failures(page: Page, server: WebServer) -> None:
    """States lead to their jobs; hosts, throughput and failures are there."""
    content = show(page, server, "/")
    expect(content.locator(".tiles a", has_text="COMPLETED").locator("b")).to_have_text("2")
    headings = ("Ended in the last hours", "Hosts and queues", "Recent failures", "Flows")
    for heading in (*headings, "Celery workers and runner"):
        expect(content.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    content.locator(".tiles a", has_text="FAILED").click()
    expect(page).to_have_url(re.compile("/jobs.state=FAILED"))


def test_near_addresses_lead_to_a_page_and_others_say_so(page: Page, server: WebServer) -> None:
    """What people guess from the listings is found; elsewhere there are ways on."""
    for near, meant in (("/jobs/1", "/job/1"), ("/flows/1", "/flow/1")):
        show(page, server, near)
        expect(page).to_have_url(server.url + meant)
    answer = page.goto(f"{server.url}/nowhere/<i>at</i>")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.locator("main i")).to_have_count(0)
    page.get_by_role("link", name="Jobs").click()
    expect(page).to_have_url(server.url + "/jobs")


def test_a_long_reason_in_the_history_is_whole(
    page: Page, server: WebServer, flow: Queued, controller: JobController
) -> None:
    """A path without a blank in it goes on in the next line, inside of the card."""
    doc = flow.doc("late")
    long = "/scratch" * 60
    controller.queue.jobs.update_one({"_id": doc.id}, {"$set": {"last.why": long}})
    page.set_viewport_size({"width": 1280, "height": 800})
    content = show(page, server, f"/job/{doc.db_id}")
    region = content.get_by_role("region", name="History")
    expect(region).to_contain_text(long)
    assert region.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_facts_of_a_job_are_words_and_links(
    page: Page, server: WebServer, flow: Queued, controller: JobController
) -> None:
    """No notation of Python: mappings are lists of their own; flow and parents have their names."""
    doc = flow.doc("static")
    sample = {"sample_id": "Si", "cell": {"a": 5.43}, "sites": [{"x": 0}], "tags": ["new", "old"]}
    end = {"reason": "TIMEOUT", "exit_code": 0, "words": "1 h over"}
    config = {"export": {"A_B": 1}}
    controller.queue.jobs.update_one(
        {"_id": doc.id},
        {
            "$set": {
                "job.metadata": sample,
                "remote.end": end,
                "exec_config": config,
            }
        },
    )
    known = show(page, server, f"/job/{doc.db_id}").locator(".facts").first
    for words in ("sample_idSi", "cella5.43", "tagsnew, old", "exportA_B1", "TIMEOUT: 1 h over"):
        expect(known).to_contain_text(words)
    assert "{" not in known.inner_text()
    assert doc.flow not in known.inner_text()
    known.get_by_role("link", name=f"{flow.ids['relax']}", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("relax"))).to_be_visible()
    page.get_by_role("link", name="1 silicon").click()
    expect(page).to_have_url(re.compile("/flow/"))
    by_state = page.locator(".facts", has_text="by state")
    expect(by_state).to_contain_text("1 FAILED")
    by_state.get_by_role("link", name="FAILED", exact=True).click()
    expect(page.locator("#content tbody tr", has=page.locator("a"))).to_have_count(1)


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
    """A job that moves on in the database moves on in every open page, which stays the same."""
    show(page, server, "/flow/1")
    page.evaluate("window.opened = 'once'")
    node = page.locator(".node", has_text="bands")
    expect(node).to_contain_text("RUNNING")
    flow.jobs.transition(flow.doc("bands"), "end", JobState.RUN_FINISHED, by="test")
    expect(node).to_contain_text("RUN_FINISHED")
    assert page.evaluate("window.opened") == "once"
    show(page, server, "/job/4")
    expect(page.get_by_role("region", name="History")).to_contain_text("RUN_FINISHED")


def test_changes_leave_focus_and_place(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """Where a page changes by itself, the keyboard stays where it is, and so does what was moved.

    That holds for a row that comes to stand elsewhere, too.
    """
    old = Queued(controller.queue, {"a": []}, name="kept one")
    Queued(controller.queue, {"a": []}, name="kept two")
    content = show(page, server, "/flows?name=kept*")
    rows = content.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("kept two")
    rows.nth(1).locator("a").focus()
    old.bring("a", JobState.COMPLETED)
    expect(rows.first).to_contain_text("COMPLETED")
    expect(rows.first).to_contain_text("kept one")
    expect(page.locator(":focus")).to_have_text(old.ids["a"])
    page.set_viewport_size({"width": 390, "height": 800})
    flow = Queued(controller.queue, {f"j{n}": [] for n in range(4)}, name="wide")
    show(page, server, f"/flow/{flow.ids['j0']}")
    graph = page.get_by_role("region", name="Graph of the flow")
    graph.evaluate("e => { e.scrollLeft = 120 }")
    flow.bring("j0", JobState.RUNNING)
    expect(graph).to_contain_text("RUNNING")
    assert graph.evaluate("e => e.scrollLeft") == 120
    page.set_viewport_size({"width": 1280, "height": 800})


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


def test_progress_moves_on_the_page_of_flows(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """A bar says how many of a flow's jobs are completed, and grows while one looks."""
    flow = Queued(controller.queue, {"x": [], "y": []}, name="grows")
    show(page, server, "/flows?name=grows")
    bar = page.get_by_role("progressbar", name="Progress of grows")
    for done, name in enumerate(flow.uuids):
        expect(bar).to_have_attribute("aria-valuenow", str(done))
        expect(bar).to_have_attribute("aria-valuemax", "2")
        expect(bar.locator(".good")).to_have_count(min(done, 1))
        flow.bring(name, JobState.COMPLETED)
    expect(bar).to_have_attribute("aria-valuenow", "2")
    expect(bar.locator("i")).to_have_attribute("style", "width:100.00%")


def test_a_flow_shows_graph_time_line_and_report(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """Many numbered names are one node; what each job did when; how long all of them ran."""
    names = ["first", *(f"calc {number}" for number in range(MOST_NODES))]
    flow = Queued(controller.queue, {name: [] for name in names}, name="wide")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for name, minutes in (("first", 10), ("calc 0", 30)):
        times = {"start_time": start, "end_time": start + timedelta(minutes=minutes)}
        flow.jobs.update(flow.bring(name, JobState.COMPLETED), times)
    content = show(page, server, f"/flow/{flow.ids['first']}")
    graph = content.get_by_role("region", name="Graph of the flow")
    expect(graph.locator(".node")).to_have_count(2)
    collapsed = graph.get_by_role("link", name="calc *")
    expect(collapsed).to_contain_text(f"calc * ×{MOST_NODES}")  # noqa: RUF001 - the sign for times
    expect(collapsed).to_have_attribute(
        "aria-label", f"calc *: {MOST_NODES - 1} READY, 1 COMPLETED"
    )
    line = content.get_by_role("region", name="Time line of the flow").get_by_role("listitem")
    expect(line).to_have_count(len(names))
    for kind, state in (
        *(("waiting", "READY"), ("transfer", "UPLOADED"), ("queue", "SUBMITTED")),
        *(("run", "RUNNING"), ("transfer", "DOWNLOADED")),
    ):
        part = line.first.locator(f".kind-{kind}", has_text=f"{state}: ")
        expect(part).to_have_count(1)
    report = content.locator(".facts")
    expect(report.locator("dt", has_text="run time in all").locator("+ dd")).to_have_text("0:40:00")
    expect(report.locator("dt", has_text="longest run").locator("+ dd")).to_have_text("0:30:00")


def test_a_job_shows_its_output_and_its_files(
    page: Page, server: WebServer, controller: JobController, tmp_path: Path
) -> None:
    """Output and inputs are trees that open; each file of the run folder can be read."""
    payload = QUICK_JOB | {"function_args": [{"lattice": "<i>fcc</i>"}]}
    flow = Queued(controller.queue, {"told": []}, name="told", payload=payload)
    doc = flow.bring("told", JobState.COMPLETED)
    flow.jobs.update(doc, {"run_dir": str(tmp_path)})
    store = controller.project.get_jobstore()
    store.connect()
    output = {"energy": -1.5, "sites": [{"label": "<b>Si</b>"}]}
    store.update([{"uuid": doc.uuid, "index": 1, "output": output}], key=["uuid", "index"])
    store.close()
    (tmp_path / "vasp.log").write_text("all <b>done</b>\n")
    content = show(page, server, f"/job/{doc.db_id}")
    page.get_by_text("Output", exact=True).click()
    tree = content.locator("details.tree", has_text="energy").first
    expect(tree.locator("div", has_text="energy")).to_have_text("energy -1.5")
    sites = tree.locator("details", has_text="sites").first
    expect(sites.get_by_text("<b>Si</b>")).not_to_be_visible()
    sites.locator("summary").first.click()
    sites.locator("details summary").first.click()
    expect(sites.get_by_text("<b>Si</b>")).to_be_visible()
    page.get_by_text("Inputs", exact=True).click()
    inputs = content.locator("details.tree", has_text="function_args").first
    for _ in range(3):
        inputs.locator("details:not([open]) > summary").first.click()
        if inputs.get_by_text("<i>fcc</i>").is_visible():
            break
    expect(inputs.get_by_text("<i>fcc</i>")).to_be_visible()
    page.get_by_text("Files of the run folder").click()
    expect(content).to_contain_text(str(tmp_path))
    page.get_by_text("vasp.log", exact=True).click()
    expect(page.get_by_role("log", name="End of vasp.log")).to_have_text("all <b>done</b>")
    assert barriers(page) == []


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
    for path in PATHS[:: 1 if width < 1000 or scheme == "light" else 3]:
        show(page, server, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        dark = page.evaluate("document.body.classList.contains('body--dark')")
        assert dark is (scheme == "dark"), path
        assert page.get_by_role("banner").count() == page.get_by_role("main").count() == 1, path
        assert (
            page.get_by_role("main").get_by_role("navigation", name="Pages", exact=True).count()
            == 0
        ), path
        if width > 1000 or scheme == "light":
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
