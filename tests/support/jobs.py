# ruff: noqa: D101, D102, D103  # each is what its name says
"""Functions, objects and makers of the jobs in :mod:`tests.support.shapes`.

Workers must be able to import this module: put the folder that holds ``tests`` on ``PYTHONPATH``.
Jobs that are made at run time have names that are unique within their flow, so that results can
be compared.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from bson import ObjectId
from jobflow import CURRENT_JOB, Flow, JobConfig, Maker, Response, job
from monty.json import MSONable
from pydantic import BaseModel


@job
def add(a: Any, b: Any = 1) -> Any:
    return a + b


@job
def total(numbers: list[float]) -> float:
    return sum(numbers)


@job
def identity(value: Any) -> Any:
    return value


@job
def divide(a: float, b: float) -> dict[str, Any]:
    return {"quotient": a // b, "rest": {"value": a % b, "list": [a, b]}}


@job
def fail(message: str = "on purpose") -> None:
    raise ValueError(message)


class Point(MSONable):
    def __init__(self, x: float, y: float) -> None:
        self.x = x
        self.y = y

    @property
    def norm(self) -> float:
        return math.hypot(self.x, self.y)

    @job
    def scaled(self, factor: float) -> Point:
        return Point(self.x * factor, self.y * factor)

    @job
    @classmethod
    def diagonal(cls, length: float) -> Point:
        return cls(length, length)

    @job
    @staticmethod
    def distance(a: Point, b: Point) -> float:
        return math.hypot(a.x - b.x, a.y - b.y)


def gap(a: Point, b: Point) -> float:
    return abs(a.norm - b.norm)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Result(BaseModel):
    energy: float
    forces: list[float] = []
    point: Any = None


@job(output_schema=Result)
def calculate(x: float) -> Any:
    return {"energy": x * x, "forces": [2 * x, 0.0]}


@job(output_schema=Result)
def calculate_by_replacing(x: float) -> Any:
    return Response(replace=calculate_plain(x))


@job
def calculate_plain(x: float) -> Any:
    return Result(energy=x, point=Point(x, x))


@job
def make_point(x: float, y: float) -> Point:
    return Point(x, y)


def named(item: Any, name: str) -> Any:
    item.name = name
    return item


@job
def replace_by_job(a: int) -> Response[Any]:
    return Response(replace=named(add(a, 100), "replacement"))


@job
def count_down(n: int) -> Any:
    return Response(replace=count_down(n - 1)) if n else "zero"


@job
def replace_by_flow(a: int, with_output: bool = True) -> Response[Any]:
    first = named(add(a, 10), "inner 1")
    second = named(add(first.output, 20), "inner 2")
    output = {"sum": second.output, "both": [first.output, second.output]}
    return Response(replace=Flow([first, second], output=output if with_output else None))


@job
def replace_by_many(kind: str) -> Any:
    jobs = [named(add(number, 5), f"many {number}") for number in range(3)]
    by_name = {f"job {number}": item for number, item in enumerate(jobs)}
    forms: dict[str, Any] = {"list": jobs, "tuple": tuple(jobs), "dict": by_name}
    return Response(replace=forms[kind])


@job
def return_many(kind: str) -> Any:
    jobs = [named(add(number, 7), f"{kind} returned {number}") for number in range(2)]
    if kind == "flow":
        return Flow(jobs, output=[item.output for item in jobs])
    forms = {"job": jobs[0], "list": jobs, "dict": dict(zip("ab", jobs, strict=True))}
    return forms[kind]


@job
def fan_out(n: int, data: dict[str, Any] | None = None) -> Response[Any]:
    jobs = [named(add(number, data["base"] if data else 0), f"fan {number}") for number in range(n)]
    return Response(replace=Flow(jobs, output=[item.output for item in jobs]))


@job
def with_detour(a: int) -> Response[int]:
    return Response(output=a, detour=named(add(a, 1000), "detour"))


@job
def with_addition(a: int) -> Response[int]:
    inner = named(add(a, 2000), "added 1")
    return Response(output=a, addition=[inner, named(add(inner.output, 1), "added 2")])


@job
def with_everything(a: int) -> Response[Any]:
    return Response(
        output={"own": a},
        replace=named(add(a, 1), "all: replaced"),
        detour=Flow([named(add(a, 2), "all: detour")]),
        addition=named(add(a, 3), "all: added"),
        stored_data={"note": "kept", "point": Point(1, 2), "colour": Colour.RED},
    )


@job
def stop_children(a: int) -> Response[int]:
    return Response(output=a, stop_children=True)


@job
def stop_jobflow(a: int) -> Response[int]:
    return Response(output=a, stop_jobflow=True)


@job(data="big")
def store_key(n: int) -> dict[str, Any]:
    return {"big": list(range(n)), "small": n, "deep": [{"big": {"x": 1}}, {"other": 2}]}


@job(graphs=True)
def store_all(n: int) -> dict[str, Any]:
    return {"everything": [n] * 3}


@job(data=Point)
def store_class(x: float) -> dict[str, Any]:
    return {"a": Point(x, 0), "b": [Point(0, x)], "c": "plain"}


@job(data=["big", Colour.RED], graphs=[["output", "deep", "graph"]])
def store_two() -> dict[str, Any]:
    return {"big": b"bytes", "red": {"k": 1}, "deep": {"graph": [1, 2]}, "rest": None}


@job(data="big")
def store_then_replace(n: int) -> Response[Any]:
    inner = named(add(n, 1), "stored inner")
    return Response(output={"big": "first"}, replace=Flow([inner], output={"big": inner.output}))


@job(config=JobConfig(resolve_references=False))
def describe_reference(reference: Any) -> str:
    return f"{type(reference).__name__} {reference.attributes_formatted}"


@job(config=JobConfig(resolve_references="both"))
def describe_both(reference: Any) -> list[Any]:
    return [type(reference).__name__, reference.attributes, reference.value]


@job(config=JobConfig(resolve_references=False))
def keep_references(references: Any) -> Any:
    return {"kept": references, "more": [1, 2]}


@job(config=JobConfig(expose_store=True))
def look_into_store(uuid: str, after: Any) -> Any:
    store = CURRENT_JOB.store
    documents = store.query({"name": {"$regex": "^add"}}, properties=["name", "output"])
    return [store.get_output(uuid), sorted(doc["output"] for doc in documents), store.count()]


@job
def about_itself() -> dict[str, Any]:
    current = CURRENT_JOB.job
    return {"uuid": current.uuid, "index": current.index, "name": current.name}


@job
def every_type() -> dict[str, Any]:
    return {
        "time": datetime(2024, 5, 6, 7, 8, 9, 123000),  # noqa: DTZ001  # jobs return such too
        "aware": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        "id": ObjectId("0123456789abcdef01234567"),
        "bytes": b"\x00\xff",
        "array": np.arange(6).reshape(2, 3),
        "number": np.float64(1.5),
        "colour": Colour.BLUE,
        "path": Path("/tmp/x"),
        "function": math.sqrt,
        "class": Point,
        "keys": {1: "one", None: "none"},
        "inf": math.inf,
        "text": "ünï\u2028 😀",
        "tuple": (1, (2, 3)),
        "none": None,
        "big": 2**53 + 1,
    }


@job
def look_at_types(value: dict[str, Any]) -> dict[str, str]:
    # A large integer comes out of MongoDB as bson's Int64, which prints differently.
    items = {key: int(item) if isinstance(item, int) else item for key, item in value.items()}
    return {key: f"{type(item).__name__}: {item!r}" for key, item in items.items()}


@job
def write_file(name: str) -> list[str]:
    Path(name).write_text("content")
    return sorted(p.name for p in Path.cwd().iterdir() if p.name == name)


@dataclass
class AddMaker(Maker):
    name: str = "add maker"  # pyright: ignore[reportIncompatibleMethodOverride]  # as all do
    number: int = 1

    @job
    def make(self, a: Any) -> Any:
        return a + self.number


@dataclass
class FlowMaker(Maker):
    name: str = "flow maker"  # pyright: ignore[reportIncompatibleMethodOverride]  # as all do
    inner: AddMaker = field(default_factory=AddMaker)

    def make(self, a: Any) -> Flow:
        first = self.inner.make(a)
        second = self.inner.make(first.output)
        return Flow([first, second], output=second.output, name=self.name)


@job
def use_maker(maker: AddMaker, a: int) -> Response[Any]:
    return Response(replace=maker.make(a))


@job
def add_with_maker(maker: FlowMaker, a: int) -> Response[Any]:
    return Response(output=a, addition=maker.make(a))


@job
def is_imported(name: str) -> bool:
    """Return whether a module is there before anything of the job imports it."""
    return name in sys.modules


def type_name(value: Any) -> str:
    return type(value).__name__
