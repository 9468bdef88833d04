"""Reading what an execution left."""

from __future__ import annotations

import json
import math
import zlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import OutputInvalidError, OutputMissingError
from jfcelery.execution.outcome import ErrorReport, Outcome, read_outcome
from jfcelery.flows import pieces
from jfcelery.flows.entries import flow_entries
from jfcelery.flows.pieces import PIECE, PIECE_BYTES
from tests.support.entries import entry, flow_of
from tests.support.shapes import make

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_outcomes_come_back(tmp_path: Path) -> None:
    """An outcome survives the way through its file, with new jobs, times and odd numbers."""
    outcome = Outcome(
        attempt=2,
        start_time=NOW,
        end_time=NOW,
        stored_data={"inf": math.inf, "list": [1, {"a": None}]},
        replace=flow_entries(make("nested_flows")),
    )
    path = tmp_path / "out.json"
    path.write_text(outcome.model_dump_json())
    assert read_outcome(path) == outcome


def test_missing(tmp_path: Path) -> None:
    """No file is an error of its own."""
    with pytest.raises(OutputMissingError):
        read_outcome(tmp_path / "out.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"attempt": 1}',
        '{"format": 2, "attempt": 1, "start_time": "2024-01-01", "end_time": "2024-01-01"}',
        '{"attempt": 1, "start_time": "2024-01-01", "end_time": "2024-01-01", "what": 1}',
    ],
)
def test_damaged(text: str, tmp_path: Path) -> None:
    """Anything that is no outcome is an error that names the file."""
    path = tmp_path / "out.json"
    path.write_text(text)
    with pytest.raises(OutputInvalidError, match=r"out\.json"):
        read_outcome(path)


@pytest.mark.parametrize("number", [0, PIECE])
@pytest.mark.parametrize("part", ["uuid", "stores", "hosts"])
def test_ids_that_a_script_would_obey_are_refused(part: str, number: int, tmp_path: Path) -> None:
    """A worker's file brings new jobs: their ids become part of paths and of scripts."""
    evil, bad = "x\ntouch canary", entry("a")
    object.__setattr__(bad, part, evil if part == "uuid" else [evil])
    others = [entry(f"j{place}") for place in range(number)]
    flow = flow_of({"b": []}).model_copy(update={"jobs": [bad, *others]})
    outcome = Outcome(attempt=1, start_time=NOW, end_time=NOW).model_copy(update={"detour": flow})
    path = tmp_path / "out.json"
    path.write_text(outcome.model_dump_json())
    where = rf"detour\.jobs: 0\.{part}" if number else rf"detour\.jobs\.0\.{part}"
    with pytest.raises(OutputInvalidError, match=f"{where}.*is not usable"):
        read_outcome(path)


def test_many_new_jobs_are_a_small_file_and_come_back_as_they_were(tmp_path: Path) -> None:
    """Values that JSON does not know, too; a damaged piece is an error that names the place."""
    inputs = {"function_args": [float("inf")], "function_kwargs": {"text": "é" * 100}}
    names = [f"j{place}" for place in range(2 * PIECE + 1)]
    flow = flow_of(dict.fromkeys(names, names[:1]), payload=inputs)
    outcome = Outcome(attempt=1, start_time=NOW, end_time=NOW, addition=flow)
    path = tmp_path / "out.json"
    text = outcome.model_dump_json()
    path.write_text(text)
    assert len(text) < 100 * len(names)
    assert read_outcome(path) == outcome
    path.write_text(text.replace('"jobs":["e', '"jobs":["f'))
    with pytest.raises(OutputInvalidError, match=r"addition\.jobs: a piece of it is damaged"):
        read_outcome(path)


def test_what_a_host_sends_unpacks_to_no_more_than_it_may(tmp_path: Path) -> None:
    """A small file could fill the memory of the runner: whose jobs are too large is refused."""
    flow = flow_of({f"j{place}": [] for place in range(PIECE + 1)})
    outcome = Outcome(attempt=1, start_time=NOW, end_time=NOW, addition=flow)
    text, path = outcome.model_dump_json(), tmp_path / "out.json"

    def send(piece: bytes) -> None:
        content = json.loads(text)
        content["addition"]["jobs"][1] = b64encode(zlib.compress(piece)).decode()
        path.write_text(json.dumps(content))
        assert path.stat().st_size < 200_000

    send(b"[" + b" " * PIECE_BYTES + b"]")
    with pytest.raises(OutputInvalidError, match=r"addition\.jobs: .* more than 16777216 bytes"):
        read_outcome(path)
    send(b"[" + b" " * 100 + b"]")
    read = read_outcome(path)
    assert read.addition
    assert len(read.addition.jobs) == PIECE


def test_what_is_kept_of_new_jobs_has_a_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Names and metadata stay in memory, of all pieces together; payloads do not count."""
    monkeypatch.setattr(pieces, "KEPT_BYTES", 200_000)
    path = tmp_path / "out.json"

    def read(**fields: Any) -> Outcome:
        flow = flow_of({f"j{place}": [] for place in range(2 * PIECE)}, **fields)
        outcome = Outcome(attempt=1, start_time=NOW, end_time=NOW, addition=flow)
        path.write_text(outcome.model_dump_json())
        return read_outcome(path)

    assert read(payload={"text": "x" * 1000}).addition
    with pytest.raises(OutputInvalidError, match=r"addition\.jobs: .* 200000 bytes"):
        read(metadata={"text": "x" * 1000})


def test_large_jobs_share_no_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that is written is refused: what is too large for a piece is not compressed."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 20_000)
    flow = flow_of({f"j{place}": [] for place in range(PIECE)})
    small, large = (entry(name, payload={"text": name * 10_000}) for name in ("s", "large"))
    flow = flow.model_copy(update={"jobs": [*flow.jobs[:50], small, large, *flow.jobs[50:]]})
    outcome = Outcome(attempt=1, start_time=NOW, end_time=NOW, replace=flow)
    path = tmp_path / "out.json"
    path.write_text(outcome.model_dump_json())
    assert read_outcome(path) == outcome
    jobs = json.loads(path.read_text())["replace"]["jobs"]
    assert [part["uuid"] for part in jobs if isinstance(part, dict)] == ["large"]
    assert 2 < len(jobs) < 20


def test_error_in_words() -> None:
    """An error can be had as a name, as a line, and in full."""
    report = ErrorReport(
        error_class="ase.Problem", message="one\ntwo", traceback="T\n", stderr_tail="S"
    )
    assert report.name == "Problem"
    assert report.summary == "Problem: one"
    assert report.text == "ase.Problem: one\ntwo\n\nT\n\nThe last it wrote to stderr:\nS"
