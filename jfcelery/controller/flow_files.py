"""Reading a flow from a file: any Python file or JSON that holds one."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from jobflow import Flow, Job

#: Endings of files that hold a serialised flow.
JSON_ENDINGS = frozenset({".json"})
#: Name that is taken where a file holds several flows.
USUAL_NAME = "flow"


@dataclass(frozen=True)
class FlowFile:
    """A flow that was read from a file.

    Args:
        flow: The flow; one made of it where the file holds a Job or a list.
        path: The file.
        module: Name under which a Python file was imported; None for JSON.
    """

    flow: Flow
    path: Path
    module: str | None = None

    def own_functions(self) -> list[str]:
        """Return the names of the file's own functions that jobs of the flow call."""
        from jfcelery.own_modules import jobs_of

        functions = (job.function for job in jobs_of(self.flow))
        mine = [f for f in functions if getattr(f, "__module__", None) == self.module]
        return sorted({function.__name__ for function in mine}) if self.module else []


def read_flow(path: Path, name: str | None = None) -> FlowFile:
    """Read a flow from a file.

    Args:
        path: A Python file, which is run, or a JSON file.
        name: In a Python file: the variable that holds the flow, or a function that returns it.
            By default the only flow in it, or what is called ``flow``.

    Raises:
        InputError: There is no such file, or no flow in it.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if path.suffix in JSON_ENDINGS:
        return FlowFile(_whole(_from_json(path), path), path)
    if path.suffix != ".py":
        raise InputError(f"{path}: a flow is read from a .py or .json file.")
    module = _imported(path)
    return FlowFile(_whole(_pick(module, path, name), path), path, module.__name__)


def _whole(value: Flow | Job | list[Any], path: Path) -> Flow:
    """Return the flow that a value is; a job can be made part of one only once."""
    from jobflow.core.flow import get_flow

    try:
        return get_flow(value, allow_external_references=True)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _from_json(path: Path) -> Any:
    from monty.json import MontyDecoder

    try:
        value = MontyDecoder().process_decoded(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ImportError, AttributeError, TypeError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if not _is_flow(value):
        raise InputError(
            f"{path} holds no flow but a {type(value).__name__}.",
            remedy="Write one with: Path('flow.json').write_text(flow.to_json())",
        )
    return value


def _imported(path: Path) -> ModuleType:
    """Run a Python file as the module that workers would import."""
    from jfcelery.own_modules import note_folder

    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be run as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.absolute()))
    note_folder(path.parent.absolute())
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failure(path, error) from error
    return module


def _pick(module: ModuleType, path: Path, name: str | None) -> Any:
    values = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    if name is not None:
        return _named(values, path, name)
    flows = {key: value for key, value in values.items() if _is_flow(value)}
    outermost = {k: v for k, v in flows.items() if type(v).__name__ == "Flow"} or flows
    usual = _called(values.get(USUAL_NAME), path)
    if _is_flow(usual):
        return usual
    if len(outermost) == 1:
        return next(iter(outermost.values()))
    if not outermost:
        raise _no_flow(values, path)
    names = ", ".join(outermost)
    raise InputError(f"{path} holds several flows: {names}.", remedy="Choose one with --name NAME.")


def _no_flow(values: dict[str, Any], path: Path) -> InputError:
    """Return the error for a file without a flow, which often has a function that makes one."""
    wanted = _parameters_without_default(values.get(USUAL_NAME))
    if wanted:
        named = ", ".join(wanted)
        return InputError(
            f"{path} holds no flow: its function {USUAL_NAME} cannot be called without {named}.",
            remedy=f"Give {named} a default, or assign a flow: my_flow = {USUAL_NAME}(…)",
        )
    return InputError(
        f"{path} holds no flow.",
        remedy="Assign a Flow or Job to a variable, for example: flow = Flow([…])",
    )


def _parameters_without_default(value: Any) -> list[str]:
    import inspect

    if not inspect.isfunction(value):
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(value).parameters.items()
        if parameter.default is parameter.empty and parameter.kind not in variadic
    ]


def _named(values: dict[str, Any], path: Path, name: str) -> Any:
    if name not in values:
        raise InputError(f"{path} has no variable or function {name!r}.")
    value = _called(values[name], path)
    if wanted := _parameters_without_default(value):
        named = ", ".join(wanted)
        raise InputError(f"{name} in {path} cannot be called without {named}.")
    if not _is_flow(value):
        raise InputError(f"{name} in {path} is no flow but a {type(value).__name__}.")
    return value


def _called(value: Any, path: Path) -> Any:
    """Return what a plain function returns; anything else unchanged."""
    import inspect

    if not inspect.isfunction(value) or _parameters_without_default(value):
        return value
    try:
        return value()
    except Exception as error:
        raise _failure(path, error) from error


def _failure(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} fails: {type(error).__name__}: {error}")


def _is_flow(value: Any) -> bool:
    from jobflow import Flow, Job

    if isinstance(value, list) and value:
        return all(isinstance(item, (Flow, Job)) for item in value)
    return isinstance(value, (Flow, Job))
