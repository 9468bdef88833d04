"""A flow taken apart: one entry for each of its jobs, with the edges between them.

Made where the flow is known as objects (at submission, and on the worker for the flows that a job
returns), so that the runner never has to import what a flow refers to.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
)

from jfcelery.database.packed import Packed, Spool
from jfcelery.errors import InputError, SerializationError
from jfcelery.execution import wire
from jfcelery.flows.entry import JobEntry, PlainName
from jfcelery.flows.pieces import first_of, packed, unpacked

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


class FlowEntries(BaseModel):
    """A flow as the queue needs it.

    Attributes:
        uuid: The flow's uuid.
        name: The flow's name.
        metadata: The flow's metadata.
        jobs: All its jobs, those of nested flows included.
        leaves: Uuids of the jobs that no other job of the flow waits for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    uuid: PlainName
    name: str
    metadata: dict[str, Any]
    jobs: Annotated[
        list[JobEntry], BeforeValidator(unpacked), PlainSerializer(packed, when_used="json")
    ]
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

    entries: list[JobEntry] = []
    graph, spool = _Graph(), Spool()

    def take(item: Flow | Job) -> list[str]:
        if isinstance(item, Job):
            entry = _entry(item, spool)
            entries.append(entry)
            graph.add(item.uuid, entry.references)
            return [item.uuid]
        return graph.join(map(take, item.jobs), linear=str(item.order) == "linear")

    whole = take(flow)
    graph.check_acyclic(whole)
    graph.complete(entries)
    with _refused(flow.name, "the flow"):
        return FlowEntries(
            uuid=flow.uuid,
            name=flow.name,
            metadata=_plain_metadata(flow),
            jobs=entries,
            leaves=graph.leaves(whole),
        )


@contextmanager
def _refused(name: str, what: str) -> Iterator[None]:
    """Raise InputError for what an entry cannot hold."""
    try:
        yield
    except ValidationError as error:
        where, said = first_of(error)
        raise InputError(f"{what} {name!r} cannot be queued: {where}: {said}") from error


def job_payload(job: Job) -> dict[str, Any]:
    """Return a job as plain JSON.

    Raises:
        SerializationError: The job or its arguments cannot be written as JSON.
    """
    return dict(json.loads(_job_text(job)))


def _job_text(job: Job) -> str:
    """Return a job as JSON."""
    try:
        return wire.dumps(job.as_dict())
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        from jfcelery.execution.unserializable import describe

        inputs = {"args": job.function_args, "kwargs": job.function_kwargs, "job": job.__dict__}
        raise SerializationError(
            f"job {job.name!r} cannot be written as JSON: {describe(inputs) or error}",
            remedy="Pass numbers, strings, lists, dicts, or objects with as_dict and from_dict.",
        ) from error


#: Stands for all jobs that wait for none: there may be a hundred thousand. Nobody writes to it.
_NOBODY: dict[str, None] = {}


@dataclass
class _Graph:
    """Which job waits for which."""

    parents: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, uuid: str, references: Iterable[str]) -> None:
        """Add a job that refers to the outputs of others."""
        self.parents[uuid] = dict.fromkeys(references) or _NOBODY

    def join(self, parts: Iterable[list[str]], *, linear: bool) -> list[str]:
        """Join the jobs of a flow's parts; in linear order each part waits for the one before."""
        whole: list[str] = []
        before: list[str] = []
        for part in filter(None, parts):
            if linear:
                ends = dict.fromkeys(self.leaves(before))
                for uuid in self._roots(part) if ends else ():
                    self.parents[uuid] = self.parents[uuid] | ends
                before = part
            whole += part
        return whole

    def leaves(self, uuids: list[str]) -> list[str]:
        """Return those jobs that no other of them waits for."""
        waited = {parent for uuid in uuids for parent in self.parents[uuid]}
        return [uuid for uuid in uuids if uuid not in waited]

    def _roots(self, uuids: list[str]) -> list[str]:
        inside = set(uuids)
        return [uuid for uuid in uuids if inside.isdisjoint(self.parents[uuid])]

    def complete(self, entries: list[JobEntry]) -> None:
        """Give entries the parents that the order of their flow adds."""
        for place, entry in enumerate(entries):
            if len(self.parents[entry.uuid]) > len(entry.parents):
                parents = list(self.parents[entry.uuid])
                entries[place] = replace(entry, parents=parents)

    def check_acyclic(self, uuids: list[str]) -> None:
        """Raise InputError if some jobs wait for each other in a circle."""
        try:
            TopologicalSorter({u: self.parents[u] for u in uuids if self.parents[u]}).prepare()
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


def _entry(job: Job, spool: Spool) -> JobEntry:
    """Return a job's entry, with those parents that it refers to."""
    text = _job_text(job)
    payload = json.loads(text)
    config = payload["config"]
    wanted = config["manager_config"] or {}
    references = _references(payload)
    with _refused(job.name, "job"):
        return JobEntry(
            uuid=job.uuid,
            index=job.index,
            name=job.name,
            function=_function_name(payload["function"]),
            parents=references,
            references=references,
            resolve=bool(config["resolve_references"]),
            metadata=payload["metadata"],
            hosts=payload["hosts"],
            on_missing=config["on_missing_references"],
            worker=wanted.get("worker"),
            exec_config=wanted.get("exec_config"),
            resources=wanted.get("resources"),
            priority=wanted.get("priority"),
            stores=stores_of(payload),
            payload=spool.keep(Packed.of_text(text)),
        )


def stores_of(payload: Mapping[str, Any]) -> list[str]:
    """Return the names of the additional stores that a serialised job's output uses."""
    return [key for key in payload if key not in _JOB_FIELDS and not key.startswith("@")]


def _function_name(function: dict[str, Any]) -> str:
    return f"{function.get('@module')}:{function.get('@callable')}"


def _plain_metadata(flow: Flow) -> dict[str, Any]:
    from monty.json import jsanitize

    metadata = getattr(flow, "metadata", None) or {}
    return dict(wire.plain(jsanitize(metadata, strict=True, enum_values=True, allow_bson=True)))
