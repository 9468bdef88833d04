"""A project as Prometheus sees it; the names are those of the Grafana dashboard in `compose/`."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jfcelery.database.connection import open_queue, translated
from jfcelery.database.hosts import HostRecords
from jfcelery.database.pieces import AT_ONCE, about_all, slices
from jfcelery.errors import ServiceError
from jfcelery.messages import messenger
from jfcelery.web.steps import StepDurations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project

#: Upper bounds of the classes of the database's latency, in seconds.
LATENCIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: The words for a breaker.
BREAKERS = ("ok", "held_back", "paused")
#: Very many jobs are counted anew only if that takes no more than so much of the time.
SHARE = 0.05


class ProjectMetrics(Collector):
    """Reads the metrics of a project whenever it is asked.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._steps: StepDurations | None = None
        #: Jobs by state and worker, and when they are to be counted anew.
        self._counts: Counter[tuple[str, str]] = Counter()
        self._count_again = 0.0
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "jfcelery_database_latency_seconds",
            "Seconds that the queue's database took to answer a ping.",
            buckets=LATENCIES,
            registry=self.registry,
        )
        self.registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's own format."""
        return generate_latest(self.registry)

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; those whose service does not answer are left out."""
        try:
            found = list(self._of_database(open_queue(self.project)))
        except ServiceError:
            found = [_gauge("jfcelery_database_up", "Whether the database answers.", 0)]
        yield from found
        try:
            found = list(self._of_broker())
        except ServiceError:
            found = [_gauge("jfcelery_broker_up", "Whether Redis answers.", 0)]
        yield from found

    def _of_database(self, queue: QueueDatabase) -> Iterator[Metric]:
        began = time.perf_counter()
        with translated():
            queue.client.admin.command("ping")
        self._latency.observe(time.perf_counter() - began)
        yield _gauge("jfcelery_database_up", "Whether the database answers.", 1)
        yield self._jobs(queue)
        yield self._flows(queue)
        yield from self._hosts(queue)
        if self._steps is None:
            self._steps = StepDurations(queue)
        yield self._steps.family()

    def _jobs(self, queue: QueueDatabase) -> Metric:
        number = about_all(queue)
        if number <= AT_ONCE or time.monotonic() >= self._count_again:
            began = time.monotonic()
            self._counts = _count(queue, number)
            ended = time.monotonic()
            self._count_again = ended + (ended - began) / SHARE
        family = GaugeMetricFamily(
            "jfcelery_jobs", "Jobs by state and worker.", labels=["state", "worker"]
        )
        for labels, jobs in self._counts.items():
            family.add_metric(labels, jobs)
        return family

    def _flows(self, queue: QueueDatabase) -> Metric:
        family = GaugeMetricFamily("jfcelery_flows", "Flows by state.", labels=["state"])
        pipeline = [{"$group": {"_id": "$state", "number": {"$sum": 1}}}]
        with translated():
            for row in queue.flows.aggregate(pipeline):
                family.add_metric([row["_id"]], row["number"])
        return family

    def _hosts(self, queue: QueueDatabase) -> Iterator[Metric]:
        records, now = HostRecords(queue), queue.clock.now()
        breaker = GaugeMetricFamily(
            "jfcelery_host_breaker", "1 for the state that a host is in.", labels=["host", "state"]
        )
        failures = GaugeMetricFamily(
            "jfcelery_host_failures", "Failures since the last success.", labels=["host"]
        )
        age = GaugeMetricFamily(
            "jfcelery_poll_age_seconds", "Seconds since a host's queue answered.", labels=["host"]
        )
        for host in self.project.hosts:
            status = records.get(host)
            state = "paused" if status.paused else "held_back" if status.open else "ok"
            for word in BREAKERS:
                breaker.add_metric([host, word], float(word == state))
            failures.add_metric([host], status.failures)
            if status.polled_on is not None:
                age.add_metric([host], max(0.0, (now - status.polled_on).total_seconds()))
        yield from (breaker, failures, age)

    def _of_broker(self) -> Iterator[Metric]:
        messages = messenger(self.project)
        family = GaugeMetricFamily(
            "jfcelery_queue_length", "Messages that wait in a Celery queue.", labels=["queue"]
        )
        for queue, number in messages.queue_lengths().items():
            family.add_metric([queue], number)
        yield family
        yield _gauge("jfcelery_broker_up", "Whether Redis answers.", 1)
        number = len(messages.celery_workers())
        yield _gauge("jfcelery_celery_workers", "Celery workers that answer.", number)


def _count(queue: QueueDatabase, number: int) -> Counter[tuple[str, str]]:
    """Return how many jobs there are by state and worker.

    Args:
        queue: The project's database.
        number: About how many jobs there are.
    """
    group = {"_id": {"state": "$state", "worker": "$worker"}, "number": {"$sum": 1}}
    found = Counter[tuple[str, str]]()
    for query in slices(number):
        with translated():
            for row in queue.jobs.aggregate([{"$match": query}, {"$group": group}]):
                found[row["_id"]["state"], row["_id"]["worker"]] += row["number"]
    return found


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
