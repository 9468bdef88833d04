"""``[ID]`` or FFILT, for commands that change flows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.completion import flow_ids
from jfcelery.cli.options import flow_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.controller.filters import FlowFilter


def flow_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``[ID]`` and FFILT to a command, which gets them as one argument ``selected``."""

    @functools.wraps(function)
    def wrapper(flow_id: str | None, selected: FlowFilter, **kwargs: Any) -> Any:
        if flow_id is not None:
            selected = _one_flow(flow_id, selected)
        return function(selected=selected, **kwargs)

    argument = click.argument("flow_id", metavar="[ID]", required=False, shell_complete=flow_ids)
    return argument(flow_filter(wrapper))


def _one_flow(flow_id: str, selected: FlowFilter) -> FlowFilter:
    from jfcelery.controller.filters import FlowFilter

    if not selected.is_empty:
        raise click.UsageError("Give either an ID or filter options, not both.")
    return FlowFilter(flow_ids=(flow_id,))
