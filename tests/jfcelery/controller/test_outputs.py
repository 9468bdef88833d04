"""What a job returned, as it is shown: outputs of other jobs in it, and no class imported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.states import JobState
from tests.support.planted import planted_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.controller import JobController
    from tests.support.queued import MakeFlow

_S = JobState


def reference(uuid: str, *keys: str | int) -> dict[str, Any]:
    """Return a reference to an output as jobflow writes it."""
    mark = {"@module": "jobflow.core.reference", "@class": "OutputReference"}
    attributes = [["i", key] for key in keys]
    return mark | {"uuid": uuid, "attributes": attributes, "output_schema": None}


@pytest.fixture
def put(controller: JobController, make_flow: MakeFlow) -> Callable[..., Any]:
    """A function that has jobs return outputs, made by their uuids, and gives the first's."""

    def put(**makers: Callable[[dict[str, str]], Any]) -> Any:
        flow = make_flow({name: [] for name in makers})
        store = controller.project.get_jobstore()
        with store:
            for name, make in makers.items():
                flow.bring(name, _S.COMPLETED)
                document = {"uuid": flow.uuids[name], "index": 1, "output": make(flow.uuids)}
                store.update([document], key=["uuid", "index"])
        return controller.get_job_output(flow.uuids[next(iter(makers))])

    return put


def test_outputs_of_other_jobs_stand_in_the_place_of_references(put: Callable[..., Any]) -> None:
    """However deep, also where a reference leads through another one."""
    seen = put(
        a=lambda uuids: {"sum": [reference(uuids["b"], "x", 1), 2], "all": reference(uuids["c"])},
        b=lambda uuids: {"x": reference(uuids["c"], "list")},
        c=lambda _: {"list": [1, 5]},
    )
    assert seen == {"sum": [5, 2], "all": {"list": [1, 5]}}


def test_a_reference_that_leads_nowhere_stays(put: Callable[..., Any]) -> None:
    """To a job without output, to a key that is not there, to the job itself, to nonsense."""
    others = [reference("gone"), {"@class": "OutputReference", "uuid": {"$ne": ""}}]

    def make(uuids: dict[str, str]) -> list[Any]:
        return [*others, reference(uuids["b"], "no"), reference(uuids["a"]), reference(uuids["b"])]

    seen = put(a=make, b=lambda uuids: [reference(uuids["a"])])
    assert [one["@class"] for one in seen[:4]] == ["OutputReference"] * 4
    assert seen[4] == [reference(seen[3]["uuid"])]


def test_no_class_that_an_output_names_is_imported(
    put: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even beside a reference, where jobflow's own look at an output decodes all of it."""
    name, canary = planted_module(tmp_path, monkeypatch)
    evil = {"@module": name, "@class": "Evil", "@callable": "evil"}
    seen = put(
        a=lambda uuids: [evil, reference(uuids["b"]), reference(uuids["b"], "one")],
        b=lambda _: {"one": evil},
    )
    assert seen == [evil, {"one": evil}, evil]
    assert name not in sys.modules
    assert not canary.exists()
