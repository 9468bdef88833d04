"""One job of a flow, as the queue needs it."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass as checked
from pydantic_core import PydanticCustomError

from jfcelery.database.packed import Packed  # noqa: TC001 - pydantic reads the annotation

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


@lru_cache(maxsize=1024)
def _shared_hosts(hosts: tuple[str, ...]) -> list[str]:
    """Return one list for all jobs that the same flows hold. Nobody writes to it."""
    return [sys.intern(host) for host in hosts]


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
            "hosts": _shared_hosts(tuple(self.hosts)),
            "stores": self.stores or _NO_NAMES,
            "metadata": self.metadata or _NO_METADATA,
        }
        for name, value in shared.items():
            object.__setattr__(self, name, value)
