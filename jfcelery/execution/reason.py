"""The true reason why a job left no outcome, from the traces that it did leave."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.execution.run import NO_OUTCOME
from jfcelery.execution.status import Stage, Status
from jfcelery.execution.streams import tail_of
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A shell reports the end by signal N as exit code 128 + N.
_BY_SIGNAL = 128
#: A shell's exit codes for a command that cannot be run.
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127

_DOING = {
    Stage.PYTHON: "Python was starting",
    Stage.LOAD: "jobflow and the job's input were being loaded",
    Stage.IMPORT: "the job's function and arguments were being imported",
    Stage.RUN: "the job's function was running",
    Stage.WRITE: "the job's results were being written",
    Stage.DISK_FULL: "the execution was waiting for room on a full disk",
    Stage.DONE: "the job was over",
    Stage.FAILED: "the job was over",
}


def why_no_output(
    folder: str | Path, *, attempt: int, end: Mapping[str, object] | None = None
) -> str:
    """Return why a job left no outcome, with the tail of its stderr.

    Args:
        folder: Where its status file, final file and ``queue.err`` are.
        attempt: Which attempt it was.
        end: What the scheduler knows of its end: ``reason``, ``exit_code``, ``signal``, ``words``.
    """
    path = Path(folder)
    status = Status.parse(_text_of(path / RunFolder.status(attempt)))
    final = Status.parse(_text_of(path / RunFolder.end(attempt)))
    lines = [f"{_doing(status)} {_how_it_ended(status, final, end or {})}."]
    place = ", ".join(
        f"{name} {status.facts[name]}"
        for name in ("host", "python", "queue_id")
        if name in status.facts
    )
    if place:
        lines.append(f"({place})")
    tail = tail_of(path / RunFolder.QUEUE_ERR) or tail_of(path / RunFolder.QUEUE_OUT)
    if tail:
        lines.append(f"The last it wrote to stderr:\n{tail}")
    return "\n".join(lines)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _doing(status: Status) -> str:
    if not status.stages:
        return "The job left no outcome and its script left no trace in the run folder: it"
    if status.reached is not None:
        return f"The job left no outcome: while {_DOING[status.reached]}, it"
    failed = "".join(
        f" {stage} failed with exit code {code};"
        for stage, _, code in (failure.partition(":") for failure in status.failures)
    )
    return f"The job left no outcome: Python never started;{failed} in {status.last!r} the script"


def _how_it_ended(status: Status, final: Status, end: Mapping[str, object]) -> str:
    words = str(end.get("words") or end.get("reason") or "")
    scheduler = f" (the scheduler says {words})" if words and words != "UNKNOWN" else ""
    code = _number(final.facts.get("exit_code"))
    if code is None:
        code = _number(end.get("exit_code"))
    asked = _number(final.facts.get("signal"))
    if asked:
        return f"was ended by {_signal_name(asked)}, sent to the queue job{scheduler}"
    number = _number(end.get("signal"))
    if not number and code is not None and _BY_SIGNAL < code <= _BY_SIGNAL + 64:
        number = code - _BY_SIGNAL
    if number:
        return f"was killed by {_signal_name(number)}{scheduler}"
    if code is not None:
        return f"ended with exit code {code}{_meaning(code, status)}{scheduler}"
    return f"ended without a word{scheduler}"


def _meaning(code: int, status: Status) -> str:
    if code == NO_OUTCOME:
        return ", since its outcome could not be written"
    if status.reached == Stage.RUN:
        return ": the function ended the process itself (os._exit, or a library that calls exit)"
    if code == _NOT_FOUND:
        return ": a command was not found"
    if code == _NOT_EXECUTABLE:
        return ": a command could not be executed"
    return ""


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    hint = (
        ", which is also how Linux ends a process when memory is full" if name == "SIGKILL" else ""
    )
    return f"{name} ({number}{hint})"


def _number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
