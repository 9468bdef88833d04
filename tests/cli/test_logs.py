"""``jfc job logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.cli.job import logs
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow, Queued

_S = JobState


def test_the_last_lines_of_both_files_are_shown(
    jfc: Jfc, make_flow: MakeFlow, tmp_path: Path
) -> None:
    """As many as are asked for; a job without a run folder says so."""
    flow = make_flow({"a": [], "b": []})
    assert jfc("job", "logs", flow.ids["b"]).status == 1
    flow.jobs.update(flow.bring("a", _S.COMPLETED), {"run_dir": str(tmp_path)})
    assert "written nothing" in jfc("job", "logs", flow.ids["a"]).stderr
    (tmp_path / "queue.out").write_text("one\ntwo\nthree\n")
    (tmp_path / "queue.err").write_text("oh")
    answer = jfc("job", "logs", flow.ids["a"], "-n", "2")
    assert answer.stdout == "==> queue.out <==\ntwo\nthree\n==> queue.err <==\noh"
    data = jfc("job", "logs", flow.ids["a"], "--json").data
    assert data["queue.out"] == "one\ntwo\nthree\n"


def test_following_ends_with_the_job(
    jfc: Jfc, make_flow: MakeFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before it starts until its end, with the last that it wrote."""
    flow = make_flow({"a": []})
    steps = _life(flow, tmp_path)
    monkeypatch.setattr(logs, "pause", lambda _: next(steps)())

    answer = jfc("job", "logs", flow.ids["a"], "--follow")

    assert answer.status == 0
    assert answer.stdout == "==> queue.out <==\nfirst\nsecond\nlast\n"
    assert "is READY, and has written nothing yet" in answer.stderr
    assert answer.stderr.endswith(f"Job {flow.ids['a']} is COMPLETED.\n")


def _life(flow: Queued, folder: Path) -> Iterator[Callable[[], None]]:
    out = folder / "queue.out"

    def write(text: str) -> None:
        with out.open("a") as file:
            file.write(text)

    def start() -> None:
        flow.jobs.update(flow.bring("a", _S.RUNNING), {"run_dir": str(folder)})

    def end() -> None:
        write("last\n")
        doc = flow.jobs.transition(flow.doc("a"), "end", _S.DOWNLOADED, by="test")
        flow.jobs.transition(doc, "finalize", _S.COMPLETED, by="test")

    return iter([start, lambda: write("first\n"), lambda: write("second\n"), end])
