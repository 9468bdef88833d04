"""Flower, all of it behind one door."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from flower.urls import handlers
from jobflow.core.job import Job

from jfcelery import services
from jfcelery.services.processes import command_line
from jfcelery.submission import submit_flow
from jfcelery.tasks.queues import all_queues, host_queue
from jfcelery.tasks.runner.lifecycle import Runner
from jfcelery.tasks.sending import sender
from jfcelery.wait import wait_for
from tests.support.waiting import DEADLINE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

pytestmark = pytest.mark.slow


@dataclass
class Page:
    """A running Flower.

    Args:
        process: Its process.
        url: Its address, with the login.
    """

    process: subprocess.Popen[str]
    url: str

    @property
    def login(self) -> str:
        """User and password."""
        parts = urlsplit(self.url)
        return f"{parts.username}:{parts.password}"

    @property
    def bare(self) -> str:
        """The address without the login and the slash at the end."""
        parts = urlsplit(self.url)
        return f"http://{parts.hostname}:{parts.port}"

    def ask(self, path: str, authorization: str = "", method: str = "GET") -> tuple[int, str]:
        """Return status and text of an answer."""
        headers = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(self.bare + path, headers=headers, method=method)  # noqa: S310 - http
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310 - http
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def healthy(self) -> bool:
        """Return whether it answers somebody who is logged in."""
        try:
            return self.get("/healthcheck")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of an answer to somebody who is logged in."""
        return self.ask(path, "Basic " + base64.b64encode(self.login.encode()).decode())


def start(project: Project, *options: str, page: str = "flower") -> subprocess.Popen[str]:
    """Start Flower, or the other page, as a person does."""
    command = [sys.executable, "-m", "jfcelery.cli.main", "-p", project.name]
    return subprocess.Popen(
        [*command, page, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> int:
    """End Flower as a person does, and return its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate()
    return process.returncode


@pytest.fixture
def embedded(make_project: ProjectFactory) -> Iterator[Project]:
    """A project with embedded services, stopped at the end."""
    project = make_project(queue=None, broker=None)
    yield project
    services.stop(project)


@pytest.fixture
def page(embedded: Project) -> Iterator[Page]:
    """Flower of a project with embedded services."""
    process = start(embedded)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("Flower: ")).split()[1]
        yield Page(process, url)
    finally:
        end(process)


def test_one_door(page: Page, embedded: Project) -> None:
    """Nothing, not even metrics or a picture, comes without the login; with it, everything."""
    patterns = [h.regex.pattern if hasattr(h, "regex") else h[0] for h in handlers]
    paths = {re.sub(r"\(.*?\)|[$?]|\.\*", "", pattern) for pattern in patterns}
    paths |= {"/static/favicon.ico", "/nothing/here", "/metrics", "/healthcheck"}
    assert len(paths) > 20
    wrong = base64.b64encode(b"jfcelery:wrong").decode()
    for path in sorted(paths):
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            assert page.ask(path or "/", method=method)[0] == 401, (method, path)
        assert page.ask(path or "/", f"Basic {wrong}")[0] == 401, path
    for header in ("Basic", "Basic !", "Bearer x", "Basic é", f"Bearer {page.login}"):
        assert page.ask("/", header.encode().decode("latin-1"))[0] == 401, header
    for path in ("/", "/workers", "/tasks", "/metrics", "/healthcheck", "/static/favicon.ico"):
        assert page.get(path)[0] == 200, path
    assert page.login.partition(":")[2] not in command_line(page.process.pid)
    _shows_queues(page, embedded)
    _listens_here_only(page)
    assert end(page.process) == 0


def _shows_queues(page: Page, project: Project) -> None:
    """The lengths of the queues are shown although the broker asks for a login on a socket."""
    sent = sender(project)
    queue = sent.app.conf.task_default_queue
    sent.send("anything", queue=queue)
    sent.send("tick", queue=queue)
    status, text = page.get("/api/queues/length")
    assert status == 200
    assert json.loads(text)["active_queues"] == [{"name": queue, "messages": 2}]
    assert queue in page.get("/broker")[1]
    wait_until(lambda: "jfcelery.anything" in page.get("/api/tasks")[1], "the task", every=0.5)
    assert "jfcelery.tick" not in page.get("/api/tasks")[1]


def _listens_here_only(page: Page) -> None:
    port = urlsplit(page.url).port
    assert port is not None
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", port))


def test_same_address_again(page: Page, embedded: Project) -> None:
    """Flower keeps its address and login from start to start, so a bookmark stays good."""
    end(page.process)
    again = start(embedded)
    assert again.stdout is not None
    try:
        assert any(page.url in line for line in iter(again.stdout.readline, ""))
    finally:
        end(again)


@pytest.mark.parametrize("page", ["flower", "gui"])
def test_no_browsers_command_line_has_the_login(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """It stands in a page that leads there, which only its owner may read."""
    browser, said = tmp_path / "browser", tmp_path / "said"
    browser.write_text(f'#!/bin/sh\necho "$@" >{said}.new && mv {said}.new {said}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process = start(project, "--open", page=page)
    assert process.stdout is not None
    try:
        url = next(line.split()[1] for line in process.stdout if "http://" in line)
        wait_until(said.exists, "the browser to be started")
    finally:
        end(process)
    secret = urlsplit(url).password or urlsplit(url).query.removeprefix("key=")
    assert len(secret) > 20
    assert secret not in said.read_text()
    shown = Path(unquote(urlsplit(said.read_text().strip()).path))
    assert f'href="{url}"' in shown.read_text()
    assert shown.stat().st_mode & 0o777 == 0o600


def test_taken_port(project: Project) -> None:
    """A wanted port that is taken is named, and Flower goes on trying until it is ended."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(project, "--port", str(taken.getsockname()[1]))
        assert process.stdout is not None
        try:
            line = next(line for line in iter(process.stdout.readline, "") if "is taken" in line)
            assert str(taken.getsockname()[1]) in line
        finally:
            end(process)


def test_with_the_runner(make_project: ProjectFactory, tmp_path: Path) -> None:
    """Flower that runs with the runner is shown with its address, and found by `jfc flower`.

    It comes again if it dies. Jobs are readable in it, and in the runner's log.
    """
    from jfcelery.tasks.runner.layout import Layout

    (tmp_path / "file").touch()
    kept = {"type": "local", "scheduler_type": "shell"}
    workers = {
        "here": kept | {"work_dir": f"{tmp_path}/work"},
        "blocked": kept | {"work_dir": f"{tmp_path}/file/work"},
    }
    project = make_project(workers=workers, runner={"log_format": "json"})
    runner = Runner(project)
    try:
        info = runner.start(Layout(single=True, flower=True, concurrency=2))
        assert info.flower
        shown = start(project)
        output, _ = shown.communicate()
        assert info.flower in output
        page = Page(shown, info.flower)
        node = f"{project.name}.worker@"
        workers_path = "/api/workers?refresh=1"
        wait_until(lambda: node in page.get(workers_path)[1], "the Celery worker", every=0.5)
        assert set(all_queues(project)) <= set(
            re.findall(r"jfc\.[^\"]+", page.get(workers_path)[1])
        )
        _shows_jobs(page, project)
        _logs_json(runner.folder.log("worker"), project)
        os.kill(next(p.pid for p in info.processes if p.name == "flower"), signal.SIGKILL)
        wait_until(lambda: runner.info().flower, "Flower to be started again")
        wait_until(page.healthy, "an answer at the same address", every=0.5)
    finally:
        runner.kill()


def _shows_jobs(page: Page, project: Project) -> None:
    """Each job is one chain of its own in the queue of its host, labelled for people.

    The second comes when the first has ended: those that are ready at once go together.
    """
    jobs = [Job(math.sqrt, function_args=(4.0,), name=name) for name in ("one", "two")]
    ids = []
    for job in jobs:
        ids += submit_flow(job, project=project)
        wait_for(ids[-1:], 120, progress=False, project=project)
    labels = {
        f"{job.name} db={db_id} on=here attempt=1": job.name
        for job, db_id in zip(jobs, ids, strict=True)
    }

    def chains() -> dict[str, list[dict[str, Any]]]:
        tasks = json.loads(page.get("/api/tasks")[1]).values()
        return {
            name: [task for task in tasks if task["args"] == label]
            for label, name in labels.items()
        }

    def complete() -> bool:
        last = [[t["name"].rpartition(".")[2] for t in chain] for chain in chains().values()]
        return all("finalize" in names for names in last)

    wait_until(complete, "the steps in Flower", every=0.5)
    roots: list[str] = []
    for chain in chains().values():
        assert {task["routing_key"] for task in chain} == {host_queue(project, "local")}
        by_name = {task["name"].rpartition(".")[2]: task for task in chain}
        assert {"upload", "submit", "check_run_status"} <= set(by_name)
        first = {by_name[name]["root_id"] for name in ("upload", "submit", "check_run_status")}
        assert first == {by_name["upload"]["uuid"]}
        roots += first
    assert len(set(roots)) == len(jobs)


def _logs_json(log: Path, project: Project) -> None:
    """A step that fails leaves a line for programs that names job, step and attempt."""
    (db_id,) = submit_flow(Job(math.sqrt, function_args=(4.0,)), worker="blocked", project=project)

    def lines() -> list[dict[str, Any]]:
        text = log.read_text().splitlines()
        found = [json.loads(line) for line in text if line.startswith("{")]
        return [line for line in found if line.get("job") == db_id]

    wait_until(lines, "the step's line", every=0.5)
    assert {"time", "level", "logger", "message", "uuid"} <= set(lines()[0])
    assert (lines()[0]["step"], lines()[0]["attempt"]) == ("upload", 1)
