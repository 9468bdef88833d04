"""``jfc batch …``: pilots are listed, shown and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.database.batches import Batches
from jfcelery.states import BatchState

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.calling import Jfc


@pytest.fixture
def pilots(controller: JobController) -> list[str]:
    """The unique ids of a pilot that runs and of one that has ended."""
    batches = Batches(controller.queue)
    running, ended = batches.insert("here"), batches.insert("here")
    batches.update(running, {"process_id": "11", "state": BatchState.RUNNING.value, "begun": 3})
    batches.update(ended, {"process_id": "12", "state": BatchState.FINISHED.value, "why": "done"})
    return [running.batch_uid, ended.batch_uid]


def test_pilots_are_listed_by_what_selects_them(jfc: Jfc, pilots: list[str]) -> None:
    """By state and worker; the table fits a narrow terminal."""
    assert {row["batch_uid"] for row in jfc("batch", "list", "--json").data} == set(pilots)
    (row,) = jfc("batch", "list", "-s", "RUNNING", "-wk", "here", "--json").data
    assert (row["process_id"], row["begun"]) == ("11", 3)
    assert jfc("batch", "list", "-wk", "elsewhere", "--json").data == []
    shown = jfc("batch", "list")
    assert "FINISHED" in shown.stdout
    assert shown.widest <= 80
    assert "done" in jfc("batch", "list", "-v", columns=200).stdout


def test_each_pilot_has_one_line_of_a_narrow_terminal(
    jfc: Jfc, pilots: list[str], controller: JobController
) -> None:
    """Ids of local processes are long, and cut there; `jfc batch info` shows what is whole."""
    number = "17102-1528240-b24ccd46.4026531836@workstation"
    Batches(controller.queue).update(
        controller.find_batches("11")[0], {"process_id": number, "run_dir": f"/{'folder/' * 20}"}
    )
    shown = jfc("batch", "list")
    rows = shown.stdout.split("\u2500\n")[1].splitlines()
    assert shown.widest <= 80
    assert {row.split()[0] for row in rows} == {f"{uid[:8]}…" for uid in pilots}
    assert len(rows) == 2
    assert sum(f" {number[:8]}… " in row for row in rows) == 1
    info = jfc("batch", "info", pilots[0][:8])
    assert info.widest <= 80
    assert f"\nqueue id    {number}" in info.stdout


def test_a_pilot_is_shown_by_either_id(jfc: Jfc, pilots: list[str]) -> None:
    """The id of its queue job, or its unique id; another one is refused."""
    assert pilots[0] in jfc("batch", "info", "11").stdout
    assert "done" in jfc("batch", "info", pilots[1]).stdout
    assert jfc("batch", "info", pilots[0], "--json").data["jobs"] == []
    assert pilots[0] in jfc("batch", "info", f"jfp-{pilots[0][:8]}").stdout
    missing = jfc("batch", "info", "99")
    assert missing.status != 0
    assert "no pilot 99" in missing.stderr


def test_pilots_are_drained(jfc: Jfc, pilots: list[str], controller: JobController) -> None:
    """By id, or all that have not ended, after a question; the list says so."""
    batches = Batches(controller.queue)
    batches.update(batches.insert("here"), {"process_id": "13"})
    assert jfc("batch", "drain", "99").status != 0
    assert jfc("batch", "drain", "12", "--json").data == {"draining": 0}
    assert "1 pilot told" in jfc("batch", "drain", "11").stdout
    assert [doc.process_id for doc in batches.find({"drain": True})] == ["11"]
    assert "RUNNING, draining" in jfc("batch", "info", "11").stdout
    assert "RUNNING, draining" in jfc("batch", "list").stdout
    assert "have ended" in jfc("batch", "drain", pilots[1][:8]).stdout
    assert jfc("batch", "drain", "-wk", "elsewhere", "-y", "--json").data == {"draining": 0}
    assert jfc("batch", "drain", "-wk", "here", "-y", "--json").data == {"draining": 2}


def test_few_characters_name_no_pilot(jfc: Jfc, pilots: list[str]) -> None:
    """They may be a queue job's id that was typed wrong; six are taken for a unique id."""
    short = jfc("batch", "drain", pilots[0][:5])
    assert short.status != 0
    assert "six characters" in short.stderr
    assert "1 pilot told" in jfc("batch", "drain", pilots[0][:6]).stdout


def test_pilots_of_another_worker_are_not_said_to_have_ended(jfc: Jfc, pilots: list[str]) -> None:
    """Nothing is drained, and the reason is the worker."""
    shown = jfc("batch", "drain", pilots[0], "-wk", "elsewhere").stdout
    assert "of worker elsewhere" in shown
    assert "All of them have ended" in jfc("batch", "drain", pilots[1], "-wk", "elsewhere").stdout
    assert not any(row["drain"] for row in jfc("batch", "list", "--json").data)


def test_only_pilots_that_have_ended_are_forgotten(
    jfc: Jfc, pilots: list[str], controller: JobController
) -> None:
    """One that runs stays whatever selects it."""
    assert jfc("batch", "delete", "-s", "RUNNING", "-y").status != 0
    left = jfc("batch", "delete", "-bid", pilots[0], "-y").stdout
    assert "0 pilots deleted. 1 pilot not ended yet" in left
    assert "1 pilot deleted" in jfc("batch", "delete", "-y").stdout
    assert [doc.batch_uid for doc in controller.get_batches()] == [pilots[0]]
    assert controller.count_batches(process_id=["11", "12"], batch_uid=pilots) == 1
    assert controller.delete_batches(batch_uid=pilots[0]) == 0
