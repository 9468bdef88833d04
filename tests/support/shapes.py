# ruff: noqa: D103  # each is what its name says
"""Flows of every shape that jobflow's documentation describes."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, JobOrder, OnMissing, OutputReference, flow
from jobflow.core.job import Job

from tests.support.jobs import (
    AddMaker,
    FlowMaker,
    Point,
    about_itself,
    add,
    add_with_maker,
    calculate,
    calculate_by_replacing,
    count_down,
    describe_both,
    describe_reference,
    divide,
    every_type,
    fail,
    fan_out,
    gap,
    identity,
    keep_references,
    look_at_types,
    look_into_store,
    make_point,
    named,
    replace_by_flow,
    replace_by_job,
    replace_by_many,
    return_many,
    stop_children,
    stop_jobflow,
    store_all,
    store_class,
    store_key,
    store_then_replace,
    store_two,
    total,
    type_name,
    use_maker,
    with_addition,
    with_detour,
    with_everything,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: Uuid of an output that is in the JobStore before the flow is submitted.
EXTERNAL = "00000000-0000-4000-8000-000000000001"
#: The additional stores that the JobStore needs.
STORES = ("data", "graphs")


@dataclass(frozen=True)
class Shape:
    """A flow to be run.

    Args:
        make: Makes the flow anew.
        failing: Names of jobs that are to fail.
        external: Whether it refers to :data:`EXTERNAL`.
    """

    make: Callable[[], Flow]
    failing: frozenset[str] = field(default_factory=frozenset)
    external: bool = False


SHAPES: dict[str, Shape] = {}


def shape(
    *, failing: tuple[str, ...] = (), external: bool = False
) -> Callable[[Callable[[], Flow]], Callable[[], Flow]]:
    """Enter a function that makes a flow into the catalogue."""

    def enter(make: Callable[[], Flow]) -> Callable[[], Flow]:
        SHAPES[make.__name__] = Shape(make, frozenset(failing), external)
        return make

    return enter


@shape()
def single() -> Flow:
    return Flow([add(1, 2)])


@shape()
def chain() -> Flow:
    jobs = [add(1)]
    for _ in range(3):
        jobs.append(add(jobs[-1].output))
    return Flow([*jobs], output=jobs[-1].output)


@shape()
def diamond() -> Flow:
    top = add(1)
    left, right = add(top.output, 10), add(top.output, 20)
    return Flow([top, left, right, total([left.output, right.output, top.output])])


@shape()
def attributes_of_outputs() -> Flow:
    parts = divide(17, 5)
    inside = {"a": [parts.output["rest"]["value"], {"b": parts.output["rest"]["list"][1]}]}
    return Flow([parts, add(parts.output["quotient"], 1), identity(inside)])


@shape()
def objects() -> Flow:
    point = make_point(3, 4)
    moved = Point(1, 1).scaled(3)
    return Flow(
        [
            point,
            add(point.output.norm, 1),
            identity([point.output, point.output.x]),
            moved,
            Point.distance(point.output, moved.output),
            Point.diagonal(2.0),
            Job(gap, function_args=(point.output, moved.output), name="gap"),
            Job(sum, function_args=([1, 2, 3],), name="builtin sum"),
        ]
    )


@shape()
def schemas() -> Flow:
    first = calculate(3.0)
    return Flow([first, add(first.output.energy), identity(first.output.forces[0])])


@shape()
def schema_of_replacement() -> Flow:
    first = calculate_by_replacing(2.0)
    return Flow([first, identity(first.output.energy)])


@shape()
def nested_flows() -> Flow:
    innermost = add(1)
    inner = Flow([innermost], output=innermost.output, name="inner")
    middle_job = add(inner.output, 2)
    middle = Flow([inner, middle_job], output={"m": middle_job.output}, name="middle")
    return Flow([middle, add(middle.output["m"], 3)], name="outer", metadata={"kind": "nested"})


@shape()
def linear_order() -> Flow:
    names = [named(identity(number), f"linear {number}") for number in range(6)]
    inner = Flow(names[2:5])
    return Flow([*names[:2], inner, names[5]], order=JobOrder.LINEAR)


@shape()
def decorated_flow() -> Flow:
    @flow  # type: ignore[untyped-decorator]  # jobflow leaves it open
    def compute(a: int) -> Any:
        first = add(a, 1)
        return add(first.output, 2).output

    made: Flow = compute(5)
    return made


@shape(failing=("fail",))
def failed_branch() -> Flow:
    bad = fail()
    good = add(1)
    return Flow([bad, add(bad.output), add(good.output), good])


@shape(failing=("fail",))
def missing_as_none() -> Flow:
    bad = fail()
    child = identity([bad.output, 1])
    child.update_config({"on_missing_references": OnMissing.NONE}, dynamic=False)
    alone = identity(bad.output)
    alone.update_config({"on_missing_references": OnMissing.NONE}, dynamic=False)
    return Flow([bad, child, alone, add(child.output[1])])


@shape(failing=("fail",))
def missing_passed_on() -> Flow:
    bad = fail()
    child = Job(type_name, function_args=(bad.output,), name="type")
    child.update_config({"on_missing_references": OnMissing.PASS}, dynamic=False)
    return Flow([bad, child])


@shape()
def replaced_by_job() -> Flow:
    first = replace_by_job(1)
    first.metadata = {"tag": "first"}
    return Flow([first, add(first.output)])


@shape()
def replaced_again_and_again() -> Flow:
    first = count_down(3)
    return Flow([first, identity(first.output)])


@shape()
def replaced_by_flow() -> Flow:
    first = replace_by_flow(1)
    return Flow([first, identity(first.output["sum"]), identity(first.output)])


@shape()
def replaced_by_flow_without_output() -> Flow:
    return Flow([replace_by_flow(1, with_output=False)])


@shape()
def replaced_by_list() -> Flow:
    first = replace_by_many("list")
    return Flow([first, total(first.output)])


@shape()
def replaced_by_tuple() -> Flow:
    first = replace_by_many("tuple")
    return Flow([first, total(first.output)])


@shape()
def replaced_by_dict() -> Flow:
    first = replace_by_many("dict")
    return Flow([first, identity(first.output["job 1"])])


@shape()
def returned_jobs() -> Flow:
    parents = [return_many(kind) for kind in ("job", "list", "dict", "flow")]
    for kind, parent in zip(("job", "list", "dict", "flow"), parents, strict=True):
        parent.name = f"return {kind}"
    inner = [
        Flow([parent, named(identity(parent.output), f"of {parent.name}")]) for parent in parents
    ]
    return Flow([*inner])


@shape()
def fan_out_and_in() -> Flow:
    base = identity({"base": 3})
    fan = fan_out(4, base.output)
    return Flow([base, fan, total(fan.output)])


@shape()
def detour() -> Flow:
    first = with_detour(1)
    return Flow([first, add(first.output)])


@shape()
def addition() -> Flow:
    first = with_addition(1)
    return Flow([first, add(first.output)])


@shape()
def all_of_a_response() -> Flow:
    first = with_everything(1)
    return Flow([first, identity(first.output)])


@shape()
def children_stopped() -> Flow:
    first = stop_children(1)
    second = add(first.output)
    return Flow([first, second, add(second.output), add(5)])


@shape()
def jobflow_stopped() -> Flow:
    first = stop_jobflow(1)
    return Flow([first, add(first.output)])


@shape()
def additional_store_by_key() -> Flow:
    first = store_key(4)
    return Flow([first, total(first.output["big"]), identity(first.output)])


@shape()
def additional_store_for_all() -> Flow:
    first = store_all(4)
    return Flow([first, identity(first.output["everything"][0])])


@shape()
def additional_store_by_class() -> Flow:
    first = store_class(2.0)
    return Flow([first, identity(first.output["b"][0].norm)])


@shape()
def two_additional_stores() -> Flow:
    first = store_two()
    return Flow([first, identity([first.output["big"], first.output["deep"]["graph"]])])


@shape()
def additional_store_and_replacement() -> Flow:
    first = store_then_replace(1)
    return Flow([first, identity(first.output)])


@shape()
def references_unresolved() -> Flow:
    first = add(1)
    return Flow([first, describe_reference(first.output["a"].b)])


@shape()
def references_both_ways() -> Flow:
    first = divide(9, 2)
    return Flow([first, describe_both(first.output["rest"]["value"])])


@shape()
def references_in_outputs() -> Flow:
    first, second = add(1), make_point(1, 2)
    kept = keep_references({"first": first.output, "second": [second.output]})
    again = keep_references(kept.output["kept"])
    return Flow([first, second, kept, again, identity(kept.output), identity(again.output)])


@shape()
def exposed_store() -> Flow:
    first, second = add(1), add(2)
    return Flow([first, second, look_into_store(first.uuid, [first.output, second.output])])


@shape()
def current_job() -> Flow:
    return Flow([about_itself()])


@shape()
def types_of_values() -> Flow:
    first = every_type()
    return Flow([first, look_at_types(first.output), identity(first.output)])


@shape()
def files() -> Flow:
    return Flow([write_file("result.txt")])


@shape()
def makers() -> Flow:
    single_job = AddMaker(number=5).make(1)
    inner = FlowMaker(inner=AddMaker(name="mine", number=3)).make(single_job.output)
    return Flow([single_job, inner, add(inner.output)])


@shape()
def kwargs_updated() -> Flow:
    first = add(1, b=2)
    whole = Flow([first, named(add(first.output, b=3), "other")])
    whole.update_kwargs({"b": 50}, name_filter="other")
    whole.update_kwargs({"_inc": {"b": 7}}, name_filter="add", dict_mod=True)
    return whole


@shape()
def makers_updated() -> Flow:
    whole = Flow([FlowMaker().make(1), use_maker(AddMaker(), 2)])
    whole.update_maker_kwargs({"number": 9}, class_filter=AddMaker)
    return whole


@shape()
def metadata_updated() -> Flow:
    first = use_maker(AddMaker(), 1)
    second = add_with_maker(FlowMaker(), 2)
    whole = Flow([first, second])
    whole.update_metadata({"project": "x", "list": [1]}, dynamic=True)
    first.update_metadata({"only": "here"}, dynamic=False)
    return whole


@shape()
def names_appended() -> Flow:
    whole = Flow([fan_out(2), add(1)])
    whole.append_name(" (run 1)", dynamic=True)
    return whole


@shape()
def configs_updated() -> Flow:
    whole = Flow([add_with_maker(FlowMaker(), 2), fan_out(2)])
    whole.update_config({"manager_config": {"worker": "local", "priority": 4}}, dynamic=True)
    return whole


@shape(external=True)
def external_reference() -> Flow:
    outside = OutputReference(EXTERNAL)
    return Flow([add(outside["number"], 1), identity([outside["list"], outside])])


@shape()
def environment() -> Flow:
    return Flow([Job(os.path.join, function_args=("a", "b"), name="join")])


def external_document() -> dict[str, Any]:
    """Return the output document that :data:`EXTERNAL` names."""
    return {
        "uuid": EXTERNAL,
        "index": 1,
        "output": {"number": 41, "list": [1, {"x": 2}]},
        "completed_at": "2024-01-01T00:00:00",
        "metadata": {},
        "hosts": [],
        "name": "outside",
    }


def make(name: str) -> Flow:
    """Make a flow of the catalogue, without jobflow's warnings about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SHAPES[name].make()
