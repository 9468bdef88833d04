"""What Prometheus reads, and what the Grafana dashboard shows of it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from jfcelery.database import pieces
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import ConnectionLostError
from jfcelery.messages import messenger
from jfcelery.services import broker_endpoint, redis_client
from jfcelery.states import JobState
from jfcelery.tasks.queues import control_queue
from jfcelery.web import metrics as metrics_module
from jfcelery.web.health import readiness
from jfcelery.web.metrics import ProjectMetrics
from tests.support.tree import TREE
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.controller import JobController
    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

#: The dashboard that is shipped.
DASHBOARD = TREE / "compose" / "grafana.json"


def samples(metrics: ProjectMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the value of each sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def value(metrics: ProjectMetrics, name: str, **labels: str) -> float | None:
    """Return one sample."""
    return samples(metrics).get((name, frozenset(labels.items())))


def test_jobs_are_counted_by_state_and_worker(project: Project, make_flow: MakeFlow) -> None:
    """Each state of each worker has its number, and flows have theirs."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", JobState.RUNNING)
    metrics = ProjectMetrics(project)
    assert value(metrics, "jfcelery_jobs", state="RUNNING", worker="here") == 1
    assert value(metrics, "jfcelery_jobs", state="WAITING", worker="here") == 1
    assert value(metrics, "jfcelery_flows", state="RUNNING") == 1


def test_very_many_jobs_are_counted_in_pieces_and_not_all_the_time(
    project: Project, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exactly as few; where counting takes long, the last count is shown for a while."""
    flow = make_flow({f"j{number}": [] for number in range(20)})
    for number in range(5):
        flow.bring(f"j{number}", JobState.COMPLETED)
    for module in (pieces, metrics_module):
        monkeypatch.setattr(module, "AT_ONCE", 10)
    monkeypatch.setattr(pieces, "SLICE", 5)
    metrics = ProjectMetrics(project)

    def shown(state: str) -> float | None:
        return value(metrics, "jfcelery_jobs", state=state, worker="here")

    monkeypatch.setattr(metrics_module, "SHARE", 1e-9)
    assert (shown("COMPLETED"), shown("READY")) == (5, 15)
    flow.bring("j5", JobState.COMPLETED)
    assert (shown("COMPLETED"), shown("READY")) == (5, 15)
    monkeypatch.setattr(metrics_module, "AT_ONCE", 20)
    assert (shown("COMPLETED"), shown("READY")) == (6, 14)


def test_steps_are_measured_from_the_history(project: Project, make_flow: MakeFlow) -> None:
    """What jobs do after the first look is counted once, however often one looks."""
    flow = make_flow({"a": []})
    metrics = ProjectMetrics(project)
    metrics.text()
    flow.bring("a", JobState.COMPLETED)
    for step in ("upload", "submit", "queue", "run", "download", "finalize"):
        assert value(metrics, "jfcelery_step_seconds_count", step=step) == 1, step
    assert value(metrics, "jfcelery_step_seconds_bucket", step="run", le="+Inf") == 1


def test_hosts_show_their_breaker_and_the_age_of_the_last_poll(
    project: Project, controller: JobController
) -> None:
    """Exactly one state of a host is 1; a queue that answered has an age."""
    (host,) = project.hosts
    records, metrics = HostRecords(controller.queue), ProjectMetrics(project)
    assert value(metrics, "jfcelery_host_breaker", host=host, state="ok") == 1
    assert value(metrics, "jfcelery_poll_age_seconds", host=host) is None
    records.polled(host, timedelta(seconds=1))
    age = value(metrics, "jfcelery_poll_age_seconds", host=host)
    assert age is not None
    assert age >= 0
    records.failed(host, ConnectionLostError("gone"))
    assert value(metrics, "jfcelery_host_breaker", host=host, state="held_back") == 1
    assert value(metrics, "jfcelery_host_failures", host=host) == 1
    records.pause(host, "a test")
    assert value(metrics, "jfcelery_host_breaker", host=host, state="paused") == 1
    assert value(metrics, "jfcelery_host_breaker", host=host, state="held_back") == 0


def test_queues_have_lengths(project: Project) -> None:
    """Messages that wait count, of whatever priority."""
    queue = control_queue(project)
    messenger(project).checkout()
    messenger(project).sweep()
    with redis_client(project) as client:
        client.lpush(f"{broker_endpoint(project).key_prefix}{queue}\x06\x163", "a step")
    metrics = ProjectMetrics(project)
    assert value(metrics, "jfcelery_queue_length", queue=queue) == 3
    assert value(metrics, "jfcelery_celery_workers") == 0
    assert value(metrics, "jfcelery_database_latency_seconds_count") is not None


def test_outages_leave_the_rest(make_project: ProjectFactory) -> None:
    """Without Redis, the database's metrics are there all the same, and it is not ready."""
    project = make_project(broker={"url": "redis://127.0.0.1:1"})
    metrics = ProjectMetrics(project)
    assert value(metrics, "jfcelery_broker_up") == 0
    assert value(metrics, "jfcelery_database_up") == 1
    found = readiness(project)
    assert (found.database, found.broker, found.ready) == (True, False, False)


def test_what_answers_is_ready(project: Project) -> None:
    """With database and broker answering, the server is ready."""
    assert readiness(project).ready


def queries(node: Any) -> Iterator[str]:
    """Yield the queries of a dashboard."""
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        for inner in node.values():
            yield from queries(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from queries(inner)


@pytest.fixture
def known(project: Project, make_flow: MakeFlow, controller: JobController) -> set[str]:
    """Names of all samples that a project in use has."""
    make_flow({"a": []})
    for host in project.hosts:
        HostRecords(controller.queue).polled(host, timedelta(seconds=1))
    return {name for name, _ in samples(ProjectMetrics(project))}


def test_the_dashboard_names_only_metrics_that_exist(known: set[str]) -> None:
    """Every query of the shipped dashboard finds its metric, and every kind of metric is shown."""
    texts = list(queries(json.loads(DASHBOARD.read_text())))
    named = {name for text in texts for name in re.findall(r"\bjfcelery_\w+", text)}
    assert len(texts) >= 8
    assert named <= known
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    kinds = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in known}
    assert kinds - shown == set()


def test_a_running_server_shows_all_that_is_documented(
    project: Project, make_flow: MakeFlow, controller: JobController
) -> None:
    """A program with the token for reading finds each metric of the documentation, and no other.

    Health is told to everybody.
    """
    make_flow({"a": []})
    (host,) = project.hosts
    HostRecords(controller.queue).polled(host, timedelta(seconds=1))
    documented = set(re.findall(r"`(jfcelery_\w+)`", (TREE / "docs/monitoring.md").read_text()))
    with web_server(project, "--api-only") as server:
        token = {"Authorization": f"Bearer {server.tokens.read_token}"}
        text = httpx2.get(server.url + "/metrics", headers=token).text
        assert httpx2.get(server.url + "/metrics").status_code == 401
        for path in ("/health/live", "/health/ready"):
            assert httpx2.get(server.url + path).status_code == 200
    families = {family.name for family in text_string_to_metric_families(text) if family.samples}
    assert {name.removesuffix("_created") for name in families} == documented
