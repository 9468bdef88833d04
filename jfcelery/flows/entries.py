"""A flow taken apart: one entry for each of its jobs, with the edges between them.

Made where the flow is known as objects (at submission, and on the worker for the flows that a job
returns), so that the runner never has to import what a flow refers to.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from jfcelery.database.packed import Packed
from jfcelery.errors import InputError, SerializationError
from jfcelery.execution import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jobflow import Flow, Job

#: Keys of a serialised job that are not names of additional stores.
_JOB_FIELDS = frozenset(
    {
        "function",
        "function_args",
        "function_kwargs",
        "output_schema",
        "uuid",
        "index",
        "name",
        "metadata",
        "config",
        "hosts",
        "metadata_updates",
        "config_updates",
        "name_updates",
    }
)


#: What uuids and names of stores consist of: they become parts of paths, and lines of scripts.
_PLAIN = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.-]{1,200}\Z")


def _plain_name(value: str) -> str:
    """Return a uuid or a store's name if it can be part of a path and of a script."""
    if not _PLAIN.match(value):
        allowed = "1 to 200 letters, digits, '-', '_' and '.' are, dots alone are not"
        raise PydanticCustomError(
            "plain_name",
            "{value} is not usable: {allowed}",
            {"value": repr(value[:60]), "allowed": allowed},
        )
    return value


PlainName = Annotated[str, AfterValidator(_plain_name)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class JobEntry(_Entry):
    """One job of a flow, as the queue needs it.

    Attributes:
        uuid: The job's uuid.
        index: How often the job was replaced, from 1.
        name: The job's name.
        function: ``module:qualified.name`` of its function.
        parents: Uuids it has to wait for: those it refers to (also outside of the flow) and, in a
            flow of linear order, those before it.
        references: Uuids whose outputs its arguments refer to.
        resolve: Whether jobflow resolves the references before the function is called.
        metadata: The job's metadata.
        hosts: Uuids of the flows that hold it, innermost first.
        on_missing: What to do if an output it refers to is missing.
        worker: Name of the worker that was asked for.
        exec_config: Name or content of the execution configuration that was asked for.
        resources: Resources that were asked for; a ``QResources`` in its serialised form.
        priority: Priority that was asked for.
        stores: Names of the additional stores that its output uses.
        payload: The serialised job: plain JSON (see :mod:`jfcelery.execution.wire`), packed.
    """

    uuid: PlainName
    index: int
    name: str
    function: str
    parents: list[str]
    references: list[str]
    resolve: bool
    metadata: dict[str, Any]
    hosts: list[PlainName]
    on_missing: Literal["error", "none", "pass"]
    worker: str | None
    exec_config: str | dict[str, Any] | None
    resources: dict[str, Any] | None
    priority: int | None
    stores: list[PlainName]
    payload: Packed

    def model_post_init(self, _context: object) -> None:
        """Share what pydantic notes of each entry, its fields that were set: 2 kB a job."""
        object.__setattr__(self, "__pydantic_fields_set__", _SET)


#: Every field of an entry is set.
_SET = set(JobEntry.model_fields)


class FlowEntries(_Entry):
    """A flow as the queue needs it.

    Attributes:
        uuid: The flow's uuid.
        name: The flow's name.
        metadata: The flow's metadata.
        jobs: All its jobs, those of nested flows included.
        leaves: Uuids of the jobs that no other job of the flow waits for.
    """

    uuid: PlainName
    name: str
    metadata: dict[str, Any]
    jobs: list[JobEntry]
    leaves: list[str]


def flow_entries(flow: Flow) -> FlowEntries:
    """Take a flow apart.

    Args:
        flow: Any jobflow Flow, nested to any depth.

    Raises:
        InputError: The jobs wait for each other in a circle, or a uuid or store has a name that
            cannot be part of a path.
        SerializationError: A job or its arguments cannot be written as JSON.
    """
    from jobflow import Job

    drafts: list[dict[str, Any]] = []
    graph = _Graph()

    def take(item: Flow | Job) -> _Part:
        if isinstance(item, Job):
            draft = _draft(item)
            drafts.append(draft)
            graph.add(item.uuid, draft["references"])
            return _Part([item.uuid])
        return graph.join([take(child) for child in item.jobs], linear=str(item.order) == "linear")

    whole = take(flow)
    graph.check_acyclic(whole.uuids)
    with _refused(flow.name, "the flow"):
        return FlowEntries(
            uuid=flow.uuid,
            name=flow.name,
            metadata=_plain_metadata(flow),
            jobs=_entries(drafts, graph),
            leaves=graph.leaves(whole.uuids),
        )


@contextmanager
def _refused(name: str, what: str) -> Iterator[None]:
    """Raise InputError for what an entry cannot hold."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{what} {name!r} cannot be queued: {where}: {first['msg']}") from error


def job_payload(job: Job) -> dict[str, Any]:
    """Return a job as plain JSON.

    Raises:
        SerializationError: The job or its arguments cannot be written as JSON.
    """
    try:
        return dict(wire.plain(job.as_dict()))
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        from jfcelery.execution.unserializable import describe

        inputs = {"args": job.function_args, "kwargs": job.function_kwargs, "job": job.__dict__}
        raise SerializationError(
            f"job {job.name!r} cannot be written as JSON: {describe(inputs) or error}",
            remedy="Pass numbers, strings, lists, dicts, or objects with as_dict and from_dict.",
        ) from error


@dataclass(frozen=True)
class _Part:
    """A job or a nested flow: its jobs in order of appearance."""

    uuids: list[str]


@dataclass
class _Graph:
    """Which job waits for which."""

    parents: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, uuid: str, references: Iterable[str]) -> None:
        """Add a job that refers to the outputs of others."""
        self.parents[uuid] = dict.fromkeys(references)

    def join(self, parts: list[_Part], *, linear: bool) -> _Part:
        """Join the parts of a flow; in linear order each waits for the one before it."""
        filled = [part.uuids for part in parts if part.uuids]
        for before, after in pairwise(filled) if linear else ():
            ends = self.leaves(before)
            for uuid in self._roots(after):
                self.parents[uuid].update(dict.fromkeys(ends))
        return _Part([uuid for uuids in filled for uuid in uuids])

    def leaves(self, uuids: list[str]) -> list[str]:
        """Return those jobs that no other of them waits for."""
        waited = {parent for uuid in uuids for parent in self.parents[uuid]}
        return [uuid for uuid in uuids if uuid not in waited]

    def _roots(self, uuids: list[str]) -> list[str]:
        inside = set(uuids)
        return [uuid for uuid in uuids if inside.isdisjoint(self.parents[uuid])]

    def check_acyclic(self, uuids: list[str]) -> None:
        """Raise InputError if some jobs wait for each other in a circle."""
        try:
            TopologicalSorter({uuid: self.parents[uuid] for uuid in uuids}).prepare()
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise InputError(f"the jobs of the flow wait for each other: {circle}") from error


def _references(payload: dict[str, Any]) -> list[str]:
    """Return the uuids that a serialised job refers to, as jobflow finds them."""
    arguments = (payload["function_args"], payload["function_kwargs"])
    return list(dict.fromkeys(referenced_uuids(arguments)))


def referenced_uuids(value: object) -> Iterator[str]:
    """Yield the uuid of every output reference in serialised data, in order of appearance."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.get("@class") == "OutputReference":
                yield item["uuid"]
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))


def _draft(job: Job) -> dict[str, Any]:
    """Return all of a job's entry but its parents."""
    payload = job_payload(job)
    config = payload["config"]
    wanted = config["manager_config"] or {}
    return {
        "uuid": job.uuid,
        "index": job.index,
        "name": job.name,
        "function": _function_name(payload["function"]),
        "references": _references(payload),
        "resolve": bool(config["resolve_references"]),
        "metadata": payload["metadata"],
        "hosts": payload["hosts"],
        "on_missing": config["on_missing_references"],
        "worker": wanted.get("worker"),
        "exec_config": wanted.get("exec_config"),
        "resources": wanted.get("resources"),
        "priority": wanted.get("priority"),
        "stores": stores_of(payload),
        "payload": Packed.of(payload),
    }


def _entries(drafts: list[dict[str, Any]], graph: _Graph) -> list[JobEntry]:
    """Return the entries in the order of the drafts, each of which is given up for its own."""
    drafts.reverse()
    entries = []
    while drafts:
        entries.append(_job_entry(drafts.pop(), graph))
    return entries


def _job_entry(draft: dict[str, Any], graph: _Graph) -> JobEntry:
    with _refused(draft["name"], "job"):
        return JobEntry(**draft, parents=list(graph.parents[draft["uuid"]]))


def stores_of(payload: Mapping[str, Any]) -> list[str]:
    """Return the names of the additional stores that a serialised job's output uses."""
    return [key for key in payload if key not in _JOB_FIELDS and not key.startswith("@")]


def _function_name(function: dict[str, Any]) -> str:
    return f"{function.get('@module')}:{function.get('@callable')}"


def _plain_metadata(flow: Flow) -> dict[str, Any]:
    from monty.json import jsanitize

    metadata = getattr(flow, "metadata", None) or {}
    return dict(wire.plain(jsanitize(metadata, strict=True, enum_values=True, allow_bson=True)))
