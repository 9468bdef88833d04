"""Directives that write the references from the code itself, so that they are never out of date.

``project-reference``   the sections and options of the project file
``command-reference``   the commands of ``jfc``
``state-reference``     the table of all changes of a job's state
``field-reference``     the fields of jobs or flows in JSON; its argument says which
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from sphinx.application import Sphinx


class Reference(Directive):
    """Puts generated Markdown into the page."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the generated text."""
        holder = nodes.section()
        holder.document = self.state.document
        self.state.nested_parse(StringList(list(self.lines())), 0, holder, match_titles=True)
        return holder.children


class ProjectReference(Reference):
    """The options of the project file, section by section, from the pydantic models."""

    def lines(self) -> Iterator[str]:
        """Yield a table for each model, the project's own first."""
        from jfcelery.project import Project

        waiting: list[type[BaseModel]] = [Project]
        seen: set[type[BaseModel]] = set()
        while waiting:
            model = waiting.pop(0)
            if model in seen:
                continue
            seen.add(model)
            yield from model_table(model)
            for field in model.model_fields.values():
                waiting += [found for found in models_in(field.annotation) if found not in seen]


def model_table(model: type[BaseModel]) -> Iterator[str]:
    """Yield the heading, the text and the options of a model."""
    yield from (f"## {model.__name__}", "", inspect.getdoc(model) or "", "")
    yield from ("| option | value | by default | meaning |", "| --- | --- | --- | --- |")
    for name, field in model.model_fields.items():
        cells = (f"`{name}`", kind(field.annotation), default(field), field.description or "")
        yield (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )
    yield ""


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def kind(annotation: Any) -> str:
    """Return an annotation as a person reads it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return kind(parts[0])
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind(p) for p in parts if p is not type(None)))
    if origin in (list, tuple, set, frozenset):
        return f"list of {' or '.join(dict.fromkeys(kind(p) for p in parts if p is not ...))}"
    if origin is dict:
        return f"mapping of names to {kind(parts[1])}"
    return simple_kind(annotation)


def simple_kind(annotation: Any) -> str:
    """Return a plain type as a person reads it; a model as a link to its section."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    words = {str: "text", int: "integer", float: "number", bool: "true or false", SecretStr: "text"}
    names = {"Path": "path", "Any": "anything", "dict": "mapping", "LogLevel": "text"}
    names |= {"datetime": "time", "JobState": "state", "FlowState": "state"}
    name = getattr(annotation, "__name__", str(annotation))
    return words.get(annotation) or names.get(name) or name


def default(field: FieldInfo) -> str:
    """Return a field's default as it stands in a file."""
    if field.is_required():
        return "**required**"
    value = field.default
    if field.default_factory is not None or value is PydanticUndefined:
        return ""
    if value is None or str(value) == ".":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


class CommandReference(Reference):
    """The commands of ``jfc`` with their arguments and options, from click."""

    def lines(self) -> Iterator[str]:
        """Yield a section for each command, depth first."""
        from jfcelery.cli.main import jfc

        yield from command_text(jfc, click.Context(jfc, info_name="jfc"), "jfc")


def command_text(command: click.Command, context: click.Context, path: str) -> Iterator[str]:
    """Yield the text of a command, and of all below it."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## {path}", "", "```", f"{path} {usage}", "```", "")
    yield from (*paragraphs(command.help or ""), "")
    records = [
        record for p in command.get_params(context) if (record := p.get_help_record(context))
    ]
    if records:
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| `{cell(option)}` | {cell(text)} |" for option, text in records)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                inside = click.Context(child, info_name=name, parent=context)
                yield from command_text(child, inside, f"{path} {name}")


def paragraphs(text: str) -> list[str]:
    r"""Return a docstring's paragraphs; what click must not wrap (``\\b``) as literal text."""
    lines: list[str] = []
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if part.startswith("\b"):
            lines += ["```", *part.splitlines()[1:], "```", ""]
        else:
            lines += [" ".join(part.split()), ""]
    return lines


def cell(text: str) -> str:
    """Return a text that fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


class StateReference(Reference):
    """The table of all changes of a job's state."""

    def lines(self) -> Iterator[str]:
        """Yield a row for each row of the state table."""
        from jfcelery.states import TRANSITIONS, JobState

        yield from ("| event | from | to | when |", "| --- | --- | --- | --- |")
        for row in TRANSITIONS:
            source, target = (
                "any"
                if len(states) == len(JobState)
                else ", ".join(state for state in JobState if state in states)
                for states in (row.sources, row.targets)
            )
            yield f"| `{row.event}` | {source} | {target} | {cell(row.when)} |"
        yield ""


class FieldReference(Reference):
    """The fields of jobs, or of flows, as ``--json`` writes them, from the pydantic models."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Yield a row for each field; those of a model inside it are named."""
        from jfcelery.controller.info import FlowInfo, JobInfo

        model = {"job": JobInfo, "flow": FlowInfo}[self.arguments[0]]
        yield from ("| field | value | meaning |", "| --- | --- | --- |")
        for name, field in model.model_fields.items():
            if name == "jobs_info":
                continue
            inside = [
                f"`{part}`" for one in models_in(field.annotation) for part in one.model_fields
            ]
            value = f"mapping of {', '.join(inside)}" if inside else kind(field.annotation)
            if type(None) in get_args(field.annotation):
                value += " or null"
            yield f"| `{name}` | {value} | {cell(field.description or '')} |"
        yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("project-reference", ProjectReference)
    app.add_directive("command-reference", CommandReference)
    app.add_directive("state-reference", StateReference)
    app.add_directive("field-reference", FieldReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
