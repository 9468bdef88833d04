"""``jfc job why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_why_names_what_holds_a_job(jfc: Jfc, make_flow: MakeFlow) -> None:
    """For each state the nearest reason, and the command that helps."""
    flow = make_flow(_CHAIN)
    assert "waits for job 1 (a): READY" in jfc("job", "why", "2").stdout
    jfc("worker", "pause", "here", "--reason", "maintenance")
    held = jfc("job", "why", "1")
    assert "maintenance" in held.stdout
    assert "jfc worker resume here" in held.stdout
    jfc("worker", "resume", "here")
    flow.bring("a", _S.REMOTE_ERROR)
    failed = jfc("job", "why", "1")
    assert "OutputMissingError: no such thing" in failed.stdout
    assert "jfc job retry 1" in failed.stdout
    assert "jfc job why 1" in jfc("job", "why", "2").stdout
    jfc("job", "pause", "3")
    assert jfc("job", "why", "3", "--json").data["reasons"][0]["command"] == "jfc job resume 3"


def test_why_says_that_nobody_takes_the_next_step(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Without a Celery worker a READY job stays where it is; the database alone does not know."""
    flow = make_flow({"a": []})
    said = jfc("job", "why", flow.ids["a"]).stdout
    assert "jfc runner start" in said
    assert "as soon as a Celery worker is free" not in said
    assert "jfc runner start" not in jfc("job", "why", flow.ids["a"], "--quick").stdout
    flow.bring("a", _S.UPLOADED)
    assert "Nothing holds it" not in jfc("job", "why", flow.ids["a"]).stdout
    assert "Nothing holds it" in jfc("job", "why", flow.ids["a"], "--quick").stdout
