"""A flow taken apart: one entry for each of its jobs, with the edges between them.

Made where the flow is known as objects (at submission, and on the worker for the flows that a job
returns), so that the runner never has to import what a flow refers to.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from base64 import b64decode, b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass as checked
from pydantic_core import PydanticCustomError

from jfcelery.database.chunks import chunks
from jfcelery.database.packed import Packed, Spool
from jfcelery.errors import InputError, SerializationError
from jfcelery.execution import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


#: Entries that a file holds one by one; of more, so many are compressed together.
PIECE = 200
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


_CONFIG = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
#: Stand for all that are empty: a flow may have a hundred thousand entries. Nobody writes to them.
_NO_NAMES: list[str] = []
_NO_METADATA: dict[str, Any] = {}


@checked(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class JobEntry:
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

    def __post_init__(self) -> None:
        """Share what many entries have in common."""
        parents = self.references if self.parents == self.references else self.parents
        shared = {
            "name": sys.intern(self.name),
            "function": sys.intern(self.function),
            "parents": parents or _NO_NAMES,
            "references": self.references or _NO_NAMES,
            "hosts": [sys.intern(host) for host in self.hosts],
            "stores": self.stores or _NO_NAMES,
            "metadata": self.metadata or _NO_METADATA,
        }
        for name, value in shared.items():
            object.__setattr__(self, name, value)


#: Without its own configuration the outermost type would write NaN as null.
_ENTRIES = TypeAdapter(list[JobEntry], config=ConfigDict(ser_json_inf_nan="constants"))


def _packed(jobs: Sequence[JobEntry]) -> list[Any]:
    """Return entries for a file: of many, pieces that are compressed."""
    if len(jobs) <= PIECE:
        return list(_ENTRIES.dump_python(list(jobs), mode="json"))
    pieces = (_ENTRIES.dump_json(piece) for piece in chunks(jobs, PIECE))
    return [b64encode(zlib.compress(piece)).decode() for piece in pieces]


def _unpacked(value: Any) -> Any:
    """Return the entries of a file, of which only a piece at a time is in memory as text."""
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        return value
    spool, found = Spool(), list[JobEntry]()
    for piece in value:
        try:
            entries = _ENTRIES.validate_json(zlib.decompress(b64decode(piece)))
        except ValidationError as error:
            where, said = _first_of(error)
            raise PydanticCustomError(
                "entry", "{at}: {said}", {"at": where, "said": said}
            ) from None
        except (ValueError, zlib.error):
            raise PydanticCustomError("damaged", "a piece of it is damaged") from None
        for entry in entries:
            object.__setattr__(entry, "payload", spool.keep(entry.payload))
            found.append(entry)
    return found


def _first_of(error: ValidationError) -> tuple[str, str]:
    """Return where the first of some errors is, and what it says."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


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
        list[JobEntry], BeforeValidator(_unpacked), PlainSerializer(_packed, when_used="json")
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

    def take(item: Flow | Job) -> _Part:
        if isinstance(item, Job):
            entry = _entry(item, spool)
            entries.append(entry)
            graph.add(item.uuid, entry.references)
            return _Part([item.uuid])
        return graph.join([take(child) for child in item.jobs], linear=str(item.order) == "linear")

    whole = take(flow)
    graph.check_acyclic(whole.uuids)
    graph.complete(entries)
    with _refused(flow.name, "the flow"):
        return FlowEntries(
            uuid=flow.uuid,
            name=flow.name,
            metadata=_plain_metadata(flow),
            jobs=entries,
            leaves=graph.leaves(whole.uuids),
        )


@contextmanager
def _refused(name: str, what: str) -> Iterator[None]:
    """Raise InputError for what an entry cannot hold."""
    try:
        yield
    except ValidationError as error:
        where, said = _first_of(error)
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
