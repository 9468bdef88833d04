"""Buttons, each pressed in a real browser: where it succeeds and where it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jfcelery.errors import JobNotFoundError
from jfcelery.states import JobState
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.support.browsing import show
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from jfcelery.controller import JobController
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from tests.support.web import WebServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("at_home")]

_S = JobState


@dataclass(frozen=True)
class Deed:
    """What a button does.

    Args:
        words: On the button.
        command: What does the same.
        fit: State of a job with which it does something.
        unfit: State of a job that refuses it; for resources, the worker refuses.
        typed: What the first dialog is answered.
        done: Whether it was done to a job.
    """

    words: str
    command: tuple[str, ...]
    fit: JobState
    unfit: JobState
    done: object
    typed: str = ""


#: All buttons of the jobs.
DEEDS = (
    Deed("Retry", ("retry",), _S.REMOTE_ERROR, _S.COMPLETED, _S.DOWNLOADED),
    Deed("Rerun", ("rerun",), _S.FAILED, _S.READY, _S.READY),
    Deed("Pause", ("pause",), _S.READY, _S.COMPLETED, _S.PAUSED),
    Deed("Resume", ("resume",), _S.PAUSED, _S.COMPLETED, _S.READY),
    Deed("Stop", ("stop",), _S.READY, _S.COMPLETED, _S.USER_STOPPED),
    Deed("Delete", ("delete",), _S.COMPLETED, _S.RUNNING, None),
    Deed("Priority", ("set", "priority", "7"), _S.READY, _S.COMPLETED, 7, "7"),
    Deed(
        *("Resources", ("set", "resources", '{"nodes": 2}'), _S.READY, _S.READY),
        *({"nodes": 2}, "nodes=2"),
    ),
)


#: Notes whenever a button begins or ceases to be at work, and the mark that says so.
WATCHED = """button => {
    window.seen = [];
    new MutationObserver(() => window.seen.push([button.getAttribute('aria-busy'),
        getComputedStyle(button, '::after').content])
    ).observe(button, {attributeFilter: ['aria-busy']}) }"""


def twins(controller: JobController, deed: Deed) -> tuple[Queued, Queued]:
    """Return two flows of the same two jobs: one for the page, one for the command."""
    made = []
    for _ in range(2):
        flow = Queued(controller.queue, {"fit": [], "unfit": []}, name="twin")
        for name, state in (("fit", deed.fit), ("unfit", deed.unfit)):
            if state is _S.PAUSED:
                flow.jobs.transition(flow.doc(name), "pause", state, by="test")
            elif state is not _S.READY:
                flow.bring(name, state)
        if deed.words == "Resources":
            flow.jobs.update(flow.doc("fit"), {"worker": "cluster"})
        made.append(flow)
    return made[0], made[1]


def press(page: Page, deed: Deed) -> list[str]:
    """Press a button, answer its dialogs, and return all that was told."""
    page.get_by_role("group", name="Actions").get_by_role("button", name=deed.words).click()
    if deed.typed:
        page.get_by_role("dialog").get_by_role("textbox").fill(deed.typed)
        page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Confirm")
    preview = dialog.locator("p")
    expect(preview.first).to_be_visible()
    lines = "\n".join(preview.all_inner_texts()).splitlines()
    dialog.get_by_role("button").last.click()
    told = page.locator(".q-notification")
    lines += told.locator(".q-notification__message").inner_text().splitlines()
    told.get_by_role("button", name="OK").click()
    expect(told).to_have_count(0)
    return lines


def commanded(deed: Deed, *ids: str) -> list[str]:
    """Do the same on the command line, and return all that was told."""
    chosen = [word for one in ids for word in ("-did", one)]
    # Confirmed as on the page, where it asks.
    patience = ["--wait", "0"] if deed.words == "Delete" else []
    answer = Jfc("pages")("job", *deed.command, *chosen, *patience, stdin="y\n", columns=400)
    lines = [*answer.stderr.splitlines(), *answer.stdout.splitlines()]
    return [line for line in lines if line and "[y/N]" not in line]


def same(lines: list[str], flow: Queued) -> list[str]:
    """Return lines in which the ids of jobs are their names, in any order."""
    for name, db_id in flow.ids.items():
        lines = [re.sub(rf"\bq?{db_id}\b", name, line) for line in lines]
    return sorted(lines)


def value(deed: Deed, flow: Queued) -> object:
    """Return what a deed changes, of the job that fits; None if it is gone."""
    try:
        doc: JobDoc = flow.doc("fit")
    except JobNotFoundError:
        return None
    if deed.words == "Priority":
        return doc.priority
    return doc.resources if deed.words == "Resources" else doc.state


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.words)
def test_a_selection_is_told_what_the_command_tells(
    page: Page, server: WebServer, controller: JobController, deed: Deed
) -> None:
    """One ticked job fits and one does not: preview, outcome and refusal are the command's."""
    ours, theirs = twins(controller, deed)
    before = ours.doc("unfit").state
    show(page, server, f"/jobs?id={','.join(ours.ids.values())}")
    for db_id in ours.ids.values():
        page.get_by_role("checkbox", name=f"Choose job {db_id}").click()
    told = press(page, deed)
    assert same(told, ours) == same(commanded(deed, *theirs.ids.values()), theirs)
    assert value(deed, ours) == value(deed, theirs) == deed.done
    if deed.words not in {"Priority", "Delete"}:
        assert ours.doc("unfit").state is before


@pytest.mark.parametrize(
    "first, words",
    [
        (_S.READY, ("Priority", "Resources", "Pause", "Resume", "Stop", "Delete")),
        (_S.REMOTE_ERROR, ("Retry", "Pause")),  # the second is refused
        (_S.FAILED, ("Rerun",)),
    ],
)
def test_one_job_is_told_what_the_command_tells(
    page: Page,
    server: WebServer,
    controller: JobController,
    first: JobState,
    words: tuple[str, ...],
) -> None:
    """On the page of a job each button does what the command does, in the same words."""
    deeds = [next(deed for deed in DEEDS if deed.words == word) for word in words]
    ours, theirs = twins(controller, replace(DEEDS[-1], fit=first, unfit=_S.READY))
    show(page, server, f"/job/{ours.ids['fit']}")
    for deed in deeds:
        told = press(page, deed)
        assert same(told, ours) == same(commanded(deed, theirs.ids["fit"]), theirs)
        assert value(deed, ours) == value(deed, theirs)
        assert value(deed, ours) == deed.done or any("only READY" in line for line in told)


def test_a_slow_action_shows_that_it_goes_on(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """While a job is in a step's hands, an action waits; its button turns, and takes no press."""
    flow = Queued(controller.queue, {"held": []}, name="held")
    held = flow.jobs.acquire(flow.doc("held"), "somebody", timedelta(minutes=10))
    show(page, server, f"/job/{held.db_id}")
    button = page.get_by_role("button", name="Pause", exact=True)
    button.evaluate(WATCHED)
    button.evaluate("button => { button.click(); button.click() }")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button").last.click()
    told = page.locator(".q-notification")
    expect(told).to_contain_text("a step works on it")
    page.wait_for_function("window.seen.at(-1)[0] === null")
    seen = page.evaluate("window.seen")
    assert seen == [["true", '""'], [None, "none"]]
    expect(dialog).to_have_count(0)
    told.get_by_role("button", name="OK").click()


def test_nothing_is_done_without_jobs_or_against_the_will(
    page: Page, server: WebServer, controller: JobController
) -> None:
    """Without a ticked job a button only says so; whoever cancels has changed nothing."""
    flow = Queued(controller.queue, {"late": []}, name="left alone")
    show(page, server, f"/jobs?id={flow.ids['late']}")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".q-notification")).to_contain_text("Choose jobs first.")
    page.get_by_role("checkbox", name=f"Choose job {flow.ids['late']}").click()
    page.get_by_role("button", name="Pause", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Pause 1 job: 1 READY")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert flow.state("late") is _S.READY


def test_a_worker_is_paused_and_resumed(page: Page, server: WebServer) -> None:
    """The page of workers holds a host back and lets it go, in the words of the commands."""
    content = show(page, server, "/workers")
    told = page.locator(".q-notification")
    jfc = Jfc("pages")
    page.get_by_role("button", name="Pause here").click()
    expect(content).to_contain_text("paused by")
    expect(told.last).to_contain_text(jfc("worker", "pause", "here").stdout.strip())
    page.get_by_role("button", name="Resume here").click()
    expect(content).not_to_contain_text("paused by")
    expect(told.last).to_contain_text(jfc("worker", "resume", "here").stdout.strip())


def test_the_runner_is_started_and_stopped(page: Page, server: WebServer, project: Project) -> None:
    """Its processes and Celery workers come and go on the page, and on the overview.

    Started twice, or stopped while none runs, it says so.
    """
    content = show(page, server, "/workers")
    processes = content.get_by_role("region", name="Processes of the runner")
    celery = content.get_by_role("region", name="Celery workers")
    told = page.locator(".q-notification")
    page.get_by_role("button", name="Stop the runner").click()
    expect(told.last).to_contain_text("No runner runs on this machine.")
    runner = Runner(project)
    runner.folder.make()
    small = Layout(single=True, flower=False, concurrency=2)
    runner.folder.layout.write_text(small.model_dump_json())
    start = page.get_by_role("button", name="Start the runner")
    try:
        start.click()
        expect(processes).to_have_text(re.compile(r"worker\s*running"))
        expect(celery).to_contain_text("pages")
        start.click()
        refused = Jfc("pages")("runner", "start").stderr.splitlines()[0]
        expect(told.last).to_contain_text(refused.removeprefix("Error: "))
        show(page, server, "/")
        expect(celery).to_contain_text("pages")
        show(page, server, "/workers")
        page.get_by_role("button", name="Stop the runner").click()
        expect(processes).to_contain_text("stopped")
    finally:
        runner.kill()
