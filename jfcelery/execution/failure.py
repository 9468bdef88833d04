"""Why a job failed, in the words that help the person who wrote it."""

from __future__ import annotations

import platform
import sys
import traceback
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jfcelery.errors import FunctionImportError, JfceleryError, SerializationError
from jfcelery.execution.outcome import ErrorReport
from jfcelery.execution.unserializable import describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

#: Characters of an error's message and of its traceback that are kept.
MESSAGE_LIMIT = 4000
TRACEBACK_LIMIT = 20000
#: What to do about a module that is not there where the job runs.
IMPORT_ADVICE = (
    "Make it importable there: by the worker's `pre_run` (the environment that it activates, or "
    "`export PYTHONPATH=FOLDER`), or by `export: {PYTHONPATH: FOLDER}` in an exec_config."
)

#: Packages whose frames stand between the execution and the user's code.
_OWN = ("jfcelery.execution.", "jfcelery.flows.")
_BETWEEN = (*_OWN, "jobflow.", "monty.", "importlib.", "_frozen_importlib")


@dataclass(frozen=True)
class Failure:
    """An exception that ended a job.

    Args:
        error: The exception.
        stage: What was being done.
        payload: The serialised job, as far as it could be read.
    """

    error: BaseException
    stage: str
    payload: dict[str, Any]

    def report(self, stderr_tail: str) -> ErrorReport:
        """Return what is to be known about it."""
        error = self.error
        unfit = _unfit_output(error)
        if unfit:
            trace = _traceback_of(error.__cause__ or error, only_users=True)
            error = SerializationError(f"the job returned what cannot be stored: {unfit}")
        else:
            hidden = isinstance(error, JfceleryError | ImportError)
            trace = _traceback_of(error, only_users=hidden)
        return ErrorReport(
            error_class=_class_name(error),
            message=_shortened(self._message(error), MESSAGE_LIMIT),
            traceback=_shortened(trace, TRACEBACK_LIMIT),
            stderr_tail=stderr_tail,
            stage=self.stage,
        )

    def _message(self, error: BaseException) -> str:
        if isinstance(error, SystemExit):
            return f"the job called sys.exit({'' if error.code is None else repr(error.code)})"
        message = _text_of(error)
        missing = list(_missing_packages(self.payload))
        if missing:
            message += (
                f"\nThe job's input names {', '.join(missing)}, which {sys.executable} on "
                f"{platform.node()} cannot import."
            )
        if missing or isinstance(error, ModuleNotFoundError):
            message += f"\n{IMPORT_ADVICE}"
        return message


def check_function(function: object, payload: dict[str, Any]) -> None:
    """Raise FunctionImportError if the job's function was not found in its module.

    monty hands back the description of a function that it does not find.
    """
    if not isinstance(function, dict):
        return
    named = payload["function"]
    module, name = named.get("@module"), named.get("@callable")
    if module == "__main__":
        raise FunctionImportError(
            f"the job's function {name!r} was defined in a script or notebook (module __main__)",
            remedy="Move it into a module that can be imported on the worker.",
        )
    raise FunctionImportError(
        f"the job's function {name!r} is not in module {module!r} on this worker "
        f"({getattr(sys.modules.get(str(module)), '__file__', 'of unknown origin')})",
        remedy="Functions must stand at the top level of a module, or in an importable class.",
    )


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else _qualified(kind)


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001  # __str__ is the user's code
        return f"{type(error).__name__} (whose text cannot be shown)"


def _traceback_of(error: BaseException, *, only_users: bool = False) -> str:
    """Return the traceback from the first frame on that is the user's.

    Where none is, it begins after the execution's own, or is empty with ``only_users``.
    """
    start = _beyond(_BETWEEN, error.__traceback__)
    if start is None and only_users:
        return ""
    start = start or _beyond(_OWN, error.__traceback__)
    try:
        lines = traceback.format_exception(type(error), error, start)
    except Exception:  # noqa: BLE001  # it calls __str__ of the user's exceptions
        lines = traceback.format_tb(start)
    return "".join(lines)


def _beyond(packages: tuple[str, ...], step: TracebackType | None) -> TracebackType | None:
    """Return the first step of a traceback that is in none of some packages."""
    while step is not None and _module_of(step).startswith(packages):
        step = step.tb_next
    return step


def _module_of(step: TracebackType) -> str:
    return f"{step.tb_frame.f_globals.get('__name__', '')}."


def _unfit_output(error: BaseException) -> str:
    """Return which part of the job's output could not be serialised, if that was the reason."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "jobflow.core.job":
            response = frame.f_locals.get("response")
            if response is not None and hasattr(response, "stop_jobflow"):
                return describe(response.output, "output")
    return ""


def _missing_packages(payload: dict[str, Any]) -> Iterator[str]:
    """Yield the top-level packages named in a job's input that are not installed here."""
    names = dict.fromkeys(_modules(payload))
    for name in dict.fromkeys(name.partition(".")[0] for name in names):
        try:
            found = name in sys.modules or find_spec(name) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            yield name


def _modules(item: object) -> Iterator[str]:
    if isinstance(item, dict):
        if isinstance(item.get("@module"), str):
            yield item["@module"]
        for value in item.values():
            yield from _modules(value)
    elif isinstance(item, list):
        for value in item:
            yield from _modules(value)


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[-half:]}"
