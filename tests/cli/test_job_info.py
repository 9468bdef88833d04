"""``jfc job info`` and ``jfc job history``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jfcelery.states import JobState

if TYPE_CHECKING:
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState


def test_info_finds_a_job_by_any_id(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Db id, uuid, uuid and index, id in the queue."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    by_db_id = jfc("job", "info", flow.ids["a"])
    assert by_db_id.status == 0
    assert by_db_id.widest <= 80
    assert "RUNNING" in by_db_id.stdout
    uuid = flow.uuids["a"]
    for ids in ([uuid], [uuid, "1"], ["--pid", f"q{flow.ids['a']}"]):
        assert jfc("job", "info", *ids, "--json").data["db_id"] == flow.ids["a"]
    assert jfc("job", "info", uuid, "-vv", "--json").data["job"]["uuid"] == uuid


@pytest.mark.parametrize(
    "args,said",
    [
        (["99"], "No job has the db id 99"),
        (["e1d66c4f-81db-4fff-bda2-2bf1d79d5961"], "No job has the uuid e1d66c4f"),
        (["e1d66c4f-81db-4fff-bda2-2bf1d79d5961", "3"], ":3"),
        (["1", "2"], "Leave the index out"),
        (["--pid", "77"], "77"),
        (["nonsense"], "no db id"),
    ],
)
def test_info_of_what_does_not_exist_says_so(jfc: Jfc, args: list[str], said: str) -> None:
    """One or two lines, status 1."""
    answer = jfc("job", "info", *args)
    assert answer.status == 1
    assert said in answer.stderr
    assert answer.stderr.count("\n") <= 2


def test_info_of_a_failed_job_shows_the_error_and_what_to_do(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The error text stands in full; the hint names the command."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.FAILED)
    answer = jfc("job", "info", flow.ids["a"])
    assert "ValueError: wrong" in answer.stdout
    assert f"jfc job rerun {flow.ids['a']}" in answer.stderr


def test_history_shows_every_change(jfc: Jfc, make_flow: MakeFlow) -> None:
    """In order, with who did it."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.UPLOADED)
    answer = jfc("job", "history", flow.ids["a"])
    assert answer.widest <= 80
    changes = jfc("job", "history", flow.ids["a"], "--json").data
    assert [change["target"] for change in changes] == ["READY", "CHECKED_OUT", "UPLOADED"]


def test_info_leaves_out_what_says_nothing(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Zeros and empty fields are shown with ``-v`` only."""
    flow = make_flow({"a": []})
    short, long = jfc("job", "info", flow.ids["a"]), jfc("job", "info", flow.ids["a"], "-v")
    assert "step_attempts" not in short.stdout
    assert "index" in short.stdout
    assert "step_attempts" in long.stdout


@pytest.mark.parametrize("seconds, shown", [(0.25, "0.25 s"), (3725, "1:02:05")])
def test_a_duration_has_its_unit(jfc: Jfc, make_flow: MakeFlow, seconds: float, shown: str) -> None:
    """Seconds as long as there are few of them; in JSON it is a number."""
    flow = make_flow({"a": []})
    doc, start = flow.bring("a", _S.COMPLETED), datetime(2026, 1, 1, tzinfo=UTC)
    times = {"start_time": start, "end_time": start + timedelta(seconds=seconds)}
    flow.jobs.update(doc, times)
    lines = jfc("job", "info", "1").stdout.splitlines()
    assert ["run_time", shown] in [line.rstrip().split(maxsplit=1) for line in lines]
    assert jfc("job", "info", "1", "--json").data["run_time"] == seconds
