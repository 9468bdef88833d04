"""JSON for what jobflow puts into documents."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import DBRef, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from jfcelery.execution import wire
from tests.support.jobs import Point

object_ids = st.binary(min_size=12, max_size=12).map(ObjectId)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=2))))
    | st.dates()
    | object_ids
    | st.builds(DBRef, st.text(min_size=1), object_ids, st.none() | st.text(min_size=1))
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(values)
def test_values_come_back(value: Any) -> None:
    """Every value that a document can hold survives the way through a file."""
    text = wire.dumps(value)
    assert "\n" not in text
    assert wire.loads(text) == value
    assert wire.loads(text.encode()) == value


@given(values)
def test_plain_values_come_back(value: Any) -> None:
    """In its plain form any JSON writer, and another wire, can take a value along."""
    plain = wire.plain(value)
    assert json.loads(json.dumps(plain)) == plain
    assert wire.loads(json.dumps(plain)) == value
    assert wire.loads(wire.dumps(plain)) == value


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_special_floats(value: float) -> None:
    """Infinity and NaN are kept, as MongoDB keeps them."""
    assert repr(wire.loads(wire.dumps([value]))) == repr([value])


def test_types_are_kept() -> None:
    """A datetime is no date, and keeps its microseconds."""
    when = datetime(2024, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001
    assert wire.loads(wire.dumps([when, date(2024, 1, 2)])) == [when, date(2024, 1, 2)]


@pytest.mark.parametrize("value", [object(), {1, 2}, Point(1, 2), 1j])
def test_other_objects_are_refused(value: object) -> None:
    """An object of another type is an error that names the type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        wire.dumps({"x": value})


def test_classes_are_not_imported() -> None:
    """What looks like an object of some class stays a dict."""
    value = {"@module": "antigravity", "@class": "X", "$date": "today", "$oid": "1"}
    assert wire.loads(json.dumps(value)) == value
