"""Messages reach the queues in the order in which they matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.states import JobState
from jfcelery.tasks.dispatch import dispatch, label
from jfcelery.tasks.queues import host_queue
from jfcelery.tasks.runtime import Runtime
from jfcelery.tasks.sending import sender
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory


def test_a_poll_does_not_wait_behind_steps(project: Project) -> None:
    """However many uploads a slow host has before it, its queue is asked in time."""
    messages = sender(project)
    queue = host_queue(project, "local")
    for number in range(3):
        names = ["jfcelery.upload", "jfcelery.submit"]
        messages.chain(names, (f"j{number}", 1, 1), queue=queue, label="x")
    messages.poll("local")
    messages.cancel("local")
    with messages.app.connection_for_read() as connection:
        waiting = connection.SimpleQueue(queue)
        tasks = []
        for _ in range(5):
            message = waiting.get(timeout=10)
            tasks.append(message.headers["task"].removeprefix("jfcelery."))
            message.ack()
        waiting.close()
    assert tasks == ["poll", "cancel", "upload", "upload", "upload"]


def test_a_changed_key_prefix_gets_a_sender_of_its_own(
    make_project: ProjectFactory, redis_url: str
) -> None:
    """A message under the earlier prefix would reach nobody."""
    brokers = [{"url": redis_url, "key_prefix": f"jfct-{name}:"} for name in ("one", "two")]
    prefixes = []
    for broker in brokers:
        app = sender(make_project("changed", broker=broker)).app
        prefixes.append(app.conf.broker_transport_options["global_keyprefix"])
    assert prefixes == ["jfct-one:", "jfct-two:"]


def test_one_readable_chain_a_job(project: Project) -> None:
    """A job's message names it in Flower, and carries the steps that follow."""
    runtime = Runtime(project)
    flow = Queued(runtime.queue, {"a": []})
    doc = flow.bring("a", JobState.CHECKED_OUT)
    shown = label(doc)
    assert shown == f"a db={doc.db_id} on=here attempt=1"
    dispatch(runtime, doc)
    with sender(project).app.connection_for_read() as connection:
        waiting = connection.SimpleQueue(host_queue(project, "local"))
        message = waiting.get(timeout=10)
        message.ack()
        with pytest.raises(waiting.Empty):
            waiting.get(block=False)
        waiting.close()
    assert message.headers["task"] == "jfcelery.upload"
    assert message.headers["argsrepr"] == shown
    following = message.payload[2]["chain"]  # the last comes first
    assert [step["task"] for step in reversed(following)][:1] == ["jfcelery.submit"]
    assert {tuple(step["args"]) for step in following} == {(doc.uuid, 1, doc.epoch)}
