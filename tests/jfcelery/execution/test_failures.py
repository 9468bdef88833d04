"""Jobs that fail, and what is told about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from jfcelery.execution.failure import IMPORT_ADVICE
from jfcelery.execution.outcome import ErrorReport, read_outcome
from jfcelery.flows.entries import job_payload
from jfcelery.folders import RunFolder
from tests.support import faults
from tests.support.jobs import add, identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobflow.core.job import Job

    from tests.support.warm import WarmRunner

    Prepare = Callable[..., Path]


def test_an_error_is_told_from_the_users_code_on(error_of: Callable[..., ErrorReport]) -> None:
    """The traceback begins in the job's function; the tail of stderr comes along."""
    report = error_of(faults.raises())
    assert report.error_class == "ZeroDivisionError"
    assert report.message == "division by zero"
    first = report.traceback.splitlines()[1]
    assert "faults.py" in first
    assert "in raises" in first
    assert "jobflow" not in report.traceback
    assert report.stderr_tail == "last words on stderr"
    assert report.stage == "run"
    assert report.summary == "ZeroDivisionError: division by zero"
    assert "last words" in report.text


def test_causes_are_told(error_of: Callable[..., ErrorReport]) -> None:
    """The error that caused an error is shown before it."""
    report = error_of(faults.raises_from())
    assert report.error_class == "ValueError"
    assert report.traceback.index("ZeroDivisionError") < report.traceback.index("ValueError: outer")


@pytest.mark.parametrize(
    "job, error_class, words",
    [
        (faults.raises_unprintable, "tests.support.faults.UnprintableError", "cannot be shown"),
        (faults.recurses, "RecursionError", "maximum recursion depth"),
        (faults.exits, "SystemExit", "sys.exit(3)"),
        (faults.interrupts, "KeyboardInterrupt", "KeyboardInterrupt"),
        (faults.uses_unknown_store, "ValueError", "Unrecognised additional store name: unknown"),
        (faults.returns_response_among_others, "ValueError", "Response cannot be returned"),
        (faults.replaces_streams, "ValueError", "without streams"),
    ],
)
def test_errors(
    job: Callable[[], Job], error_class: str, words: str, error_of: Callable[..., ErrorReport]
) -> None:
    """Whatever a job raises is its outcome."""
    report = error_of(job())
    assert report.error_class == error_class
    assert words in report.message


@pytest.mark.parametrize(
    "job, where",
    [
        (faults.returns_opaque, "output['bad'][1]['x'] is of type tests.support.faults.Opaque"),
        (faults.returns_opaque, "output['generator'] is of type generator"),
        (faults.returns_stubborn, "output[0] is of type tests.support.faults.Stubborn"),
        (
            faults.stores_opaque,
            "stored_data['key']['inner'] is of type tests.support.faults.Opaque",
        ),
        (faults.replaces_with_opaque, "args[0] is of type tests.support.faults.Opaque"),
    ],
)
def test_unserialisable_results(
    job: Callable[[], Job], where: str, error_of: Callable[..., ErrorReport]
) -> None:
    """What cannot be stored is named by its place and its type."""
    report = error_of(job())
    assert report.error_class == "jfcelery.errors.SerializationError"
    assert where in report.message


def test_errors_of_the_users_as_dict_are_shown(error_of: Callable[..., ErrorReport]) -> None:
    """The user's own error behind an unserialisable output is in the traceback."""
    assert "as_dict of the user's own class" in error_of(faults.returns_stubborn()).traceback


def test_long_messages_are_shortened(error_of: Callable[..., ErrorReport]) -> None:
    """A message of a megabyte does not end up in a document."""
    report = error_of(faults.raises_at_length())
    assert len(report.message) < 10_000
    assert "characters left out" in report.message


def test_unknown_module(error_of: Callable[..., ErrorReport]) -> None:
    """A function's module that is not installed on the worker is named."""
    job = add(1)
    payload = job_payload(job)
    payload["function"]["@module"] = "not_installed_here.functions"
    report = error_of(job, payload=payload)
    assert report.error_class == "ModuleNotFoundError"
    assert "not_installed_here" in report.message
    assert sys.executable in report.message
    assert report.stage == "import"


def test_unknown_function(error_of: Callable[..., ErrorReport]) -> None:
    """A function that its module does not have is named."""
    job = add(1)
    payload = job_payload(job)
    payload["function"]["@callable"] = "outer.<locals>.inner"
    report = error_of(job, payload=payload)
    assert report.name == "FunctionImportError"
    assert "'outer.<locals>.inner' is not in module 'tests.support.jobs'" in report.message


def test_function_of_a_script(error_of: Callable[..., ErrorReport]) -> None:
    """A function of a script or notebook cannot be imported, and the report says what to do."""
    job = add(1)
    payload = job_payload(job)
    payload["function"].update({"@module": "__main__", "@callable": "never_defined"})
    report = error_of(job, payload=payload)
    assert "script or notebook" in report.message
    assert "Move it into a module" in report.message


def test_unknown_class_of_an_argument(error_of: Callable[..., ErrorReport]) -> None:
    """If an argument's package is missing, an error in the function says so."""
    job = add(1)
    payload = job_payload(job)
    payload["function_args"] = [{"@module": "not_installed.core", "@class": "Structure"}]
    report = error_of(job, payload=payload)
    assert report.error_class == "TypeError"
    assert "names not_installed, which" in report.message
    assert report.message.endswith(IMPORT_ADVICE)


def test_missing_reference(error_of: Callable[..., ErrorReport]) -> None:
    """An input without the output that it refers to is told as jobflow tells it."""
    report = error_of(identity(add(1).output))
    assert report.error_class == "ValueError"
    assert "Could not resolve reference" in report.message


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"format": 99}', b'{"format": 1}'])
def test_unusable_input(content: bytes | None, runner: WarmRunner, tmp_path: Path) -> None:
    """An input that is missing, damaged or of another version is the reason that is told."""
    if content is not None:
        (tmp_path / RunFolder.INPUT).write_bytes(content)
    assert runner.run(tmp_path) == 0
    error = read_outcome(tmp_path / RunFolder.OUTPUT).error
    assert error is not None
    assert error.name == "InputError"
    assert "the job's input" in error.message
