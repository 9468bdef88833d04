"""Arguments without names, in the order in which jobflow-remote's methods take them."""

from __future__ import annotations

from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from inspect import Signature

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: What selects jobs, and flows.
JOBS = (
    *("job_ids", "db_ids", "flow_ids", "states", "start_date", "end_date"),
    *("name", "metadata", "workers", "custom_query"),
)
FLOWS = (*("job_ids", "db_ids", "flow_ids", "states", "start_date", "end_date"), "name")


def in_order(query: type[Any], *order: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Let a method with ``**query`` take arguments without names too, and show all their names.

    Scripts for jobflow-remote may call ``stop_jobs(ids)``: without this it would stop all jobs,
    and take the ids for its first own option.

    Args:
        query: The TypedDict of ``**query``.
        order: Names of arguments in jobflow-remote's order; all others need their names.
    """

    def decorate(method: Callable[_P, _T]) -> Callable[_P, _T]:
        accepted = _signature(method, query, order)

        @wraps(method)
        def called(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            itself, *_ = args
            given = accepted.bind(*args, **kwargs).arguments
            del given["self"]
            named: Any = method
            result: _T = named(itself, **given)
            return result

        vars(called)["__signature__"] = accepted
        return called

    return decorate


def _signature(method: Callable[..., Any], query: type[Any], order: tuple[str, ...]) -> Signature:
    own = signature(method)
    itself, *others = own.parameters.values()
    known = {p.name: p for p in others if p.kind is not Parameter.VAR_KEYWORD}
    known |= {p.name: p for p in _of(query) if p.name not in known}
    first = [known.pop(name).replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for name in order]
    rest = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in known.values()]
    return own.replace(parameters=[itself, *first, *rest])


def _of(query: type[Any]) -> Iterator[Parameter]:
    for name, written in query.__annotations__.items():
        annotation = getattr(written, "__forward_arg__", written)
        default = False if annotation == "bool" else None
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
