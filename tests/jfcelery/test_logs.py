"""Lines of the logs carry the job that they are about."""

from __future__ import annotations

import json
import logging
import threading

import pytest

from jfcelery.logs import JsonFormatter, TextFormatter, bound, bound_fields
from jfcelery.project.masking import Redactor


def line(formatter: logging.Formatter, *, fail: bool = False) -> str:
    """Return a line as a formatter writes it."""
    record = logging.LogRecord("some.place", logging.INFO, __file__, 1, "%s it is", ("Ü",), None)
    if fail:
        try:
            int("wrong")
        except ValueError as error:
            record.exc_info = (ValueError, error, error.__traceback__)
    return formatter.format(record)


def test_json_lines_carry_what_is_bound() -> None:
    """A line is one JSON object with the job, step and attempt, and a trace if there is one."""
    with bound(job="12", step="upload", attempt=2):
        content = json.loads(line(JsonFormatter(), fail=True))
    assert content["message"] == "Ü it is"
    assert (content["job"], content["step"], content["attempt"]) == ("12", "upload", 2)
    assert (content["level"], content["logger"]) == ("info", "some.place")
    assert "ValueError: invalid literal" in content["trace"]
    assert "job" not in json.loads(line(JsonFormatter()))


def test_text_lines_end_with_what_is_bound() -> None:
    """A line of text names the job behind the message, and nothing where nothing is bound."""
    with bound(job="12", step="upload"):
        assert line(TextFormatter()).endswith("Ü it is [job=12 step=upload]")
    assert line(TextFormatter()).endswith("Ü it is")


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_secrets_are_taken_out(kind: type[TextFormatter | JsonFormatter]) -> None:
    """Of the message, and of the trace of an exception."""
    text = line(kind(Redactor(["it is", "invalid literal"])), fail=True)
    assert "it is" not in text
    assert "invalid literal" not in text
    assert "ValueError" in text


def test_bindings_nest_and_end_with_an_error() -> None:
    """An inner binding adds to the outer one; both are gone afterwards."""
    with bound(job="1"), bound(step="x"):
        assert bound_fields() == {"job": "1", "step": "x"}
    assert bound_fields() == {}
    with pytest.raises(ValueError, match="invalid"), bound(job="1"), bound(step="x"):
        int("wrong")
    assert bound_fields() == {}


def test_threads_bind_for_themselves() -> None:
    """A step in one thread does not mark the lines of another."""
    seen: list[dict[str, object]] = []
    with bound(job="1"):
        thread = threading.Thread(target=lambda: seen.append(dict(bound_fields())))
        thread.start()
        thread.join()
    assert seen == [{}]
