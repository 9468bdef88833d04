"""How the API answers: values as JSON, errors with a status and in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from jfcelery.errors import (
    FlowNotFoundError,
    HostError,
    JfceleryError,
    JobNotFoundError,
    ProjectNotFoundError,
    RunFolderError,
    RunnerError,
    ServiceError,
    StateError,
    UnknownNameError,
)
from jfcelery.web.api.models import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

#: The status for each kind of error; the first that fits counts. All others are 400.
STATUSES: tuple[tuple[type[JfceleryError], int], ...] = (
    (JobNotFoundError, 404),
    (FlowNotFoundError, 404),
    (ProjectNotFoundError, 404),
    (UnknownNameError, 404),
    (RunFolderError, 404),
    (StateError, 409),
    (RunnerError, 409),
    (HostError, 502),
    (ServiceError, 503),
)
#: What the documentation says of answers that are no success.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "What is asked cannot be done."),
        (401, "No valid token or login."),
        (403, "This login may not do that."),
        (404, "There is no such thing."),
        (409, "The state of the job, flow or runner forbids it."),
        (502, "A host cannot be reached."),
        (503, "Database or broker does not answer."),
    )
}


def status_of(error: JfceleryError) -> int:
    """Return the status that an error gives."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 400)


def answer_errors(app: FastAPI) -> None:
    """Let an app answer our errors with their words and remedies."""

    def answer(_: Request, error: Any) -> Response:
        problem = Problem(error=type(error).__name__, message=error.message, remedy=error.remedy)
        return JSONResponse(problem.model_dump(), status_code=status_of(error))

    app.add_exception_handler(JfceleryError, answer)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; objects as monty writes them."""
    from monty.json import jsanitize

    return jsanitize(value, strict=True, enum_values=True, recursive_msonable=True)


def as_json(value: Any) -> Response:
    """Return an answer with any value, numbers that are none as null."""
    text = json.dumps(_finite(plain(value)), ensure_ascii=False, default=str)
    return Response(text, media_type="application/json")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - nan
        return None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
