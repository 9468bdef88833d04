"""What is told of an error holds no secret of the project, even where the exception does."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    JobStoreUnavailableError,
    OutputInvalidError,
    TransferError,
)
from jfcelery.flows.insert import Placement, add_flow
from tests.support.calling import Jfc
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

TOKEN, PASSWORD = "planted-as-a-token", "planted-as-a-password"
#: What an exception of somebody else's says.
WORDS = f"cannot write to mongodb://me:{PASSWORD}@db/x?apiToken={TOKEN} with {TOKEN!r}"
KINDS = (
    ValueError,
    TransferError,
    OutputInvalidError,
    BackPressureError,
    ConnectionLostError,
    JobStoreUnavailableError,
)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A runner of a project with secrets, which retries what fails."""
    return make_bench(
        worker={"recovery": [{"on": ["ValueError"], "action": "retry"}]},
        exec_config={"mine": {"export": {"SITE_TOKEN": TOKEN}}},
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["upload.collect_for_job", "finalize.insert_documents"])
def test_an_exception_with_a_secret_is_told_without_it(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
    place: str,
) -> None:
    """In documents, history, logs, and in what jfc says; all else of the text is there."""
    caplog.set_level(logging.DEBUG, "jfcelery")

    def fails(*_: Any) -> None:
        raise kind(WORDS)

    monkeypatch.setattr(f"jfcelery.tasks.{place}", fails)
    add_flow(bench.runtime.queue, flow_of({"a": []}, payload=QUICK_JOB), Placement(worker="here"))
    for _ in range(12):
        bench.drain()
        bench.beat(600)
    seen = {"log": caplog.text}
    database = bench.runtime.queue.database
    for name in database.list_collection_names():
        seen[name] = repr(list(database[name].find({})))
    jfc = Jfc(bench.project.name)
    for words in ("job info 1 -vv", "job history 1", "job why 1", "job list -vv", "worker list"):
        seen[words] = jfc(*words.split(), "--json").stdout
    monkeypatch.setattr("jfcelery.controller.outputs.connected_store", fails)
    for words in ("job output 1", "-fe job output 1"):
        seen[words] = jfc(*words.split()).stderr
    assert [where for where, text in seen.items() if TOKEN in text or PASSWORD in text] == []
    assert sum("cannot write to mongodb://" in text for text in seen.values()) > 1


def test_what_a_job_raises_is_told_without_it(bench: Bench) -> None:
    """A job that finds a secret of the project in its environment, say, and repeats it."""
    (bench.folder / "more").mkdir()
    error = {"error_class": "site.Refused", "message": WORDS, "traceback": WORDS * 20}
    (bench.folder / "more" / "a_1").write_text(f'"error": {json.dumps(error)}')
    flow = flow_of({"a": []}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    assert bench.run_until_rest(flow.uuid) == {"a": "F"}
    jfc = Jfc(bench.project.name)
    shown = [jfc(*words.split()).stdout for words in ("job info 1", "job history 1", "job why 1")]
    database = bench.runtime.queue.database
    kept = {name: repr(list(database[name].find({}))) for name in ("jobs", "history", "payloads")}
    for text in (*shown, *kept.values()):
        assert "cannot write to" in text
        assert TOKEN not in text
        assert PASSWORD not in text
