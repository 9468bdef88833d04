"""Every shape of flow leaves in the JobStore what ``run_locally`` leaves there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from jfcelery.flows.entries import flow_entries
from tests.support.comparing import contents
from tests.support.driver import Driver
from tests.support.shapes import SHAPES, STORES, external_document, make

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.warm import WarmRunner


def memory_store() -> JobStore:
    """Return an empty JobStore."""
    store = JobStore(MemoryStore(), additional_stores={name: MemoryStore() for name in STORES})
    store.connect()
    return store


@pytest.mark.parametrize("name", SHAPES)
def test_equals_run_locally(
    name: str, runner: WarmRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run folders and run_locally leave the same documents and blobs."""
    monkeypatch.chdir(tmp_path)
    ours, theirs = memory_store(), memory_store()
    if SHAPES[name].external:
        ours.update(external_document())
        theirs.update(external_document())
    flow = make(name)
    entries = flow_entries(flow)
    known = {*flow.all_uuids, flow.uuid}

    driver = Driver(ours, runner, tmp_path)
    driver.run(entries)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_locally(flow, log=False, store=theirs, allow_external_references=True)

    assert contents(ours, known) == contents(theirs, known)
    failed = {driver.entries[key].name for key, out in driver.outcomes.items() if out.error}
    assert failed == SHAPES[name].failing
