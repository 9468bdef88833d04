"""The documents' diagrams are drawn from the code: nothing of it is missing in them."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from jfcelery.states import TRANSITIONS, JobState
from jfcelery.tasks.pipeline import PIPELINE
from tests.support.tree import TREE

if TYPE_CHECKING:
    from types import ModuleType

#: What the names of the elements begin with.
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def diagrams() -> ModuleType:
    """The extension that draws them."""
    spec = importlib.util.spec_from_file_location("diagrams", TREE / "docs/_ext/diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawing(diagrams: ModuleType, name: str) -> ET.Element:
    """Return a diagram as it stands in the page."""
    directive = object.__new__(getattr(diagrams, name))  # Sphinx would hand it a whole document
    (node,) = directive.run()
    return ET.fromstring(node.astext())  # noqa: S314 - our own


def words(svg: ET.Element) -> list[str]:
    """Return the texts of a drawing."""
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def test_every_step_is_drawn_in_its_order(diagrams: ModuleType) -> None:
    """The picture of the pipeline has all steps, each with the state that it starts from."""
    found = words(drawing(diagrams, "PipelineDiagram"))
    names = [step.name for step in PIPELINE]
    assert [word for word in found if word in names] == names
    states = [step.source.value for step in PIPELINE]
    assert [word for word in found if word in states] == states


def test_every_state_on_the_way_is_drawn(diagrams: ModuleType) -> None:
    """The way of a job has each state that its events touch, once."""
    found = words(drawing(diagrams, "WayDiagram"))
    rows = [row for row in TRANSITIONS if row.event in diagrams.WAY]
    states = {state.value for row in rows for state in row.sources | row.targets}
    assert sorted(word for word in found if word in set(JobState)) == sorted(states)
    assert sorted(word for word in found if word in diagrams.WAY) == sorted(r.event for r in rows)


def test_all_shapes_lie_on_the_sheet(diagrams: ModuleType) -> None:
    """No box or circle is cut off at the edge."""
    for name in ("PipelineDiagram", "WayDiagram", "StateDiagram"):
        svg = drawing(diagrams, name)
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        for shape in svg.iter(f"{SVG}rect"):
            left, top = float(shape.get("x", 0)), float(shape.get("y", 0))
            assert 0 <= left <= left + float(shape.attrib["width"]) <= width
            assert 0 <= top <= top + float(shape.attrib["height"]) <= height


def test_every_change_is_drawn(diagrams: ModuleType) -> None:
    """The table of all changes has each source and each target of each row."""
    svg = drawing(diagrams, "StateDiagram")
    assert words(svg)[: len(JobState)] == [state.value for state in JobState]
    circles = [circle.get("class") for circle in svg.iter(f"{SVG}circle")]
    legend = 1
    assert circles.count("from") == sum(len(row.sources) for row in TRANSITIONS) + legend
    assert circles.count("to") == sum(len(row.targets) for row in TRANSITIONS) + legend
