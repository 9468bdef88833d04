"""The observer of the chaos suite sees each kind of defect, and none where there is none."""

from __future__ import annotations

import os
import platform
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.observer import Evidence, Submitted, violations
from tests.chaos.watch import LeaseWatch

if TYPE_CHECKING:
    from collections.abc import Callable

#: Some time.
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
#: The life of a job that went well.
LIFE = (None, "READY", "CHECKED_OUT", "SUBMITTED", "COMPLETED")


def _job(uuid: str, name: str) -> dict[str, Any]:
    return {
        "_id": f"{uuid}_1",
        "uuid": uuid,
        "index": 1,
        "flow": "f",
        "state": "COMPLETED",
        "attempt": 1,
        "job": {"name": name},
        "remote": {},
        "last": None,
    }


def _history(uuid: str) -> list[dict[str, Any]]:
    return [
        {
            "_id": f"{uuid}_1:{number}",
            "uuid": uuid,
            "index": 1,
            "number": number,
            "source": source,
            "target": target,
            "event": "end" if target == "COMPLETED" else "",
            "at": NOON + timedelta(seconds=number),
        }
        for number, (source, target) in enumerate(pairwise(LIFE))
    ]


def _note(uuid: str, what: str, attempt: int = 1) -> dict[str, Any]:
    return {"what": what, "job": f"{uuid}_1", "attempt": attempt}


def _row(number: int, uuid: str, state: str = "COMPLETED", attempt: int = 1) -> dict[str, str]:
    return {"JobID": str(number), "JobName": f"jfc-{uuid}-1-{attempt}", "State": state}


def sound() -> dict[str, Any]:
    """Return what is seen when a flow of two jobs went well."""
    expected = {("first", 1): 1, ("second", 1): 2}
    return {
        "effects": [_note(uuid, what) for uuid in ("a-1", "b-2") for what in ("start", "end")],
        "accounting": [_row(1, "a-1"), _row(2, "b-2")],
        "queue": [],
        "folders": ["a-1_1", "b-2_1"],
        "jobs": [_job("a-1", "first"), _job("b-2", "second")],
        "flows": [{"_id": "f", "name": "flow", "state": "COMPLETED", "counts": {"COMPLETED": 2}}],
        "history": _history("a-1") + _history("b-2"),
        "outputs": [
            {"uuid": "a-1", "index": 1, "output": 1},
            {"uuid": "b-2", "index": 1, "output": 2},
        ],
        "submitted": [Submitted("flow", expected, "hpca", accepted=True)],
        "leases": [],
        "commands": [],
    }


def test_what_went_well_is_found_to_be_so() -> None:
    """There are no false alarms."""
    assert violations(Evidence(**sound())) == []


def _killed_and_run_again(seen: dict[str, Any]) -> None:
    seen["effects"][2:2] = [_note("b-2", "start")]
    seen["accounting"][1:1] = [_row(2, "b-2", "NODE_FAIL")]


def _killed_and_new_attempt(seen: dict[str, Any]) -> None:
    seen["effects"][2:] = [_note("b-2", "start"), _note("b-2", "start", 2), _note("b-2", "end", 2)]
    seen["accounting"][1:] = [_row(2, "b-2", "NODE_FAIL"), _row(3, "b-2", attempt=2)]
    seen["jobs"][1]["attempt"] = 2
    seen["folders"].append("b-2_1.attempt1")


def _forgotten_and_new_attempt(seen: dict[str, Any]) -> None:
    seen["effects"][2:] = [_note("b-2", "start", 2), _note("b-2", "end", 2)]
    seen["accounting"][1:] = [_row(3, "b-2", attempt=2)]
    seen["jobs"][1]["attempt"] = 2
    own = [change for change in seen["history"] if change["uuid"] == "b-2"]
    own[-1].update(target="READY", why="FORGOTTEN neither Slurm nor its accounting knows it")
    last = {"_id": "b-2_1:9", "number": 9, "source": "READY", "at": NOON + timedelta(seconds=9)}
    seen["history"].append({**own[-1], **last, "target": "COMPLETED", "why": ""})


def _lost_with_its_result(seen: dict[str, Any]) -> None:
    _forgotten_and_new_attempt(seen)
    seen["effects"] += [_note("b-2", "start"), _note("b-2", "end")]
    seen["effects"].append(seen["effects"].pop(3))


def _cut_off_by_a_reboot(seen: dict[str, Any]) -> None:
    """Slurm forgot that it had begun the job, and began it again: one life is known."""
    again = [_note("b-2", "start"), _note("b-2", "end")]
    seen["effects"] += [{**note, "at": 30.0} for note in again]
    seen["scripts"] = {("b-2_1", 1): "stage=started\nstage=run\nstage=started\nstage=ended\n"}
    seen["reboots"] = [20.0]


def _begun_again_after_its_end(seen: dict[str, Any]) -> None:
    _cut_off_by_a_reboot(seen)
    seen["scripts"]["b-2_1", 1] = "stage=started\nstage=ended\n" * 2


def _begun_twice_at_once(seen: dict[str, Any]) -> None:
    _cut_off_by_a_reboot(seen)
    seen["reboots"] = [40.0]


def _never_inserted(seen: dict[str, Any]) -> None:
    seen["submitted"].append(Submitted("other", {("x", 1): 1}, "hpca", accepted=False))


def _half_inserted(seen: dict[str, Any]) -> None:
    _never_inserted(seen)
    seen["flows"].append({"_id": "g", "name": "other", "inserting": True, "state": "WAITING"})
    job = {**_job("c-3", "x"), "flow": "g", "state": "READY"}
    seen["jobs"].append(job)
    seen["history"].append({**_history("c-3")[0]})


def _id_given_again(seen: dict[str, Any]) -> None:
    for note in seen["effects"][:2]:
        note["queue_id"] = "2"
    seen["accounting"].pop(0)


@pytest.mark.parametrize(
    "allowed",
    [
        _killed_and_run_again,
        _killed_and_new_attempt,
        _forgotten_and_new_attempt,
        _lost_with_its_result,
        _cut_off_by_a_reboot,
        _never_inserted,
        _half_inserted,
        _id_given_again,
    ],
)
def test_what_is_allowed_is_no_defect(allowed: Callable[[dict[str, Any]], None]) -> None:
    """A job that the cluster killed may start again; what was not accepted may be missing."""
    seen = sound()
    allowed(seen)
    assert violations(Evidence(**seen)) == []


def _half_inserted_and_run(seen: dict[str, Any]) -> None:
    _half_inserted(seen)
    seen["effects"].append(_note("c-3", "start"))


def _told_twice_and_run_three_times(seen: dict[str, Any]) -> None:
    """What a rule did about an end says why, too: that is no second end."""
    _lost_with_its_result(seen)
    seen["effects"].insert(3, _note("b-2", "end"))
    moved = {"number": 8, "source": "READY", "target": "READY", "event": "recover"}
    why = {"why": "LOST (1 of 3): new attempt", "at": NOON + timedelta(seconds=8)}
    seen["history"].append({**seen["history"][-1], "_id": "b-2_1:8", **moved, **why})


def _attempt_without_a_reason(seen: dict[str, Any]) -> None:
    _forgotten_and_new_attempt(seen)
    for change in seen["history"]:
        change["why"] = ""


def _run_again_without_a_reason(seen: dict[str, Any]) -> None:
    _lost_with_its_result(seen)
    for change in seen["history"]:
        change["why"] = ""


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a flow is lost": (lambda s: (s["flows"].clear(), s["jobs"].clear()), "is there 0 times"),
    "a flow is there twice": (
        lambda s: s["flows"].append({**s["flows"][0], "_id": "g"}),
        "is there 2 times",
    ),
    "a flow has another state": (lambda s: s["flows"][0].update(state="RUNNING"), "is RUNNING"),
    "counts are wrong": (lambda s: s["flows"][0].update(counts={"READY": 2}), "counts"),
    "a job is lost": (lambda s: s["jobs"].pop(), "has the jobs"),
    "a job was not finished": (lambda s: s["jobs"][1].update(state="READY"), "is READY"),
    "a lease is left": (lambda s: s["jobs"][0].update(lock_id="x:1:1"), "not left alone"),
    "a release is left": (lambda s: s["jobs"][0].update(release=True), "not left alone"),
    "a job ran twice": (lambda s: s["effects"].append(_note("a-1", "start")), "started 2 times"),
    "a job ended twice": (lambda s: s["effects"].append(_note("a-1", "end")), "its end 2 times"),
    "a job never ran": (lambda s: s["effects"].__delitem__(slice(2)), "never ran"),
    "a stranger ran": (lambda s: s["effects"].append(_note("c-3", "start")), "is in no flow"),
    "a half-inserted flow runs": (
        _half_inserted_and_run,
        "never complete",
    ),
    "it was submitted twice": (lambda s: s["accounting"].append(_row(3, "a-1")), "accepted 2"),
    "it was submitted as two attempts": (
        lambda s: s["accounting"].append(_row(3, "a-1", attempt=2)),
        "which went well",
    ),
    "a submission is unknown": (lambda s: s["accounting"].pop(), "the accounting knows []"),
    "it ran more often than it was lost": (
        _told_twice_and_run_three_times,
        "ran to its end 3 times",
    ),
    "a new attempt after a good end": (_run_again_without_a_reason, "ran to its end 2 times"),
    "it began again after its end": (_begun_again_after_its_end, "ran to its end 2 times"),
    "it was begun twice at once": (_begun_twice_at_once, "started 2 times"),
    "an attempt was never submitted": (_attempt_without_a_reason, "the accounting knows [2]"),
    "an output is wrong": (lambda s: s["outputs"][1].update(output=3), "has the outputs [3]"),
    "an output is missing": (lambda s: s["outputs"].pop(), "has the outputs []"),
    "an output is there twice": (
        lambda s: s["outputs"].append(deepcopy(s["outputs"][0])),
        "has the outputs [1, 1]",
    ),
    "an output is nobody's": (
        lambda s: s["outputs"].append({"uuid": "c-3", "index": 1, "output": 1}),
        "belongs to no job",
    ),
    "history has a gap": (lambda s: s["history"].__delitem__(1), "with gaps"),
    "history ends early": (lambda s: s["history"].pop(), "with gaps"),
    "history goes back": (lambda s: s["history"][2].update(at=NOON), "back in time"),
    "history is nobody's": (
        lambda s: s["history"].append({**_history("c-3")[0]}),
        "belongs to no job",
    ),
    "a queue job is forgotten": (lambda s: s["queue"].append("jfc-a-1-1-1"), "was forgotten"),
    "a folder is forgotten": (lambda s: s["folders"].append("c-3_1"), "run folder c-3_1"),
    "a lease outlived its owner": (lambda s: s["leases"].append("a lease"), "a lease"),
    "a command was needed": (lambda s: s["commands"].append("jfc admin"), "jfc admin"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_seen(name: str) -> None:
    """Each kind of defect is named."""
    plant, words = PLANTED[name]
    seen = sound()
    plant(seen)
    assert any(words in found for found in violations(Evidence(**seen)))


def test_a_lease_that_outlives_its_owner_is_seen() -> None:
    """A dead owner may hold its lease for one term, not for two; a living one for ever."""
    watch = LeaseWatch(lambda: None, term=10)
    host, me = platform.node(), os.getpid()
    dead, alive = f"{host}:999999999:999999999", f"{host}:{me}:{me}"

    def held(owner: str, seconds: float) -> dict[str, Any]:
        until = NOON + timedelta(seconds=seconds)
        return {"_id": f"{owner} {seconds}", "lock_id": owner, "lock_until": until}

    watch.judge([held(dead, 9), held(alive, 3600)], NOON)
    assert watch.wrong == []
    watch.judge([held(dead, 25)], NOON + timedelta(seconds=15))
    assert len(watch.wrong) == 1
