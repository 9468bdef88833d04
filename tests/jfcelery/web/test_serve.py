"""Where the web server listens: on this machine, or with something that protects it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller.graph import FlowGraph
from jfcelery.controller.grouping import MOST_NODES
from jfcelery.errors import InputError, RunnerError
from jfcelery.web.current import Current
from jfcelery.web.pages import flow as flow_page
from jfcelery.web.pages.drawing import graph_svg
from jfcelery.web.pages.flow import graph_of
from jfcelery.web.serve import Listening

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.queued import MakeFlow


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "my.workstation"])  # noqa: S104 - refused
def test_elsewhere_something_must_protect_it(address: str, tmp_path: Path) -> None:
    """Without TLS it listens elsewhere only if a person says that something else protects it."""
    with pytest.raises(InputError, match="unprotected"):
        Listening(address=address)
    assert Listening(address=address, insecure=True).hosts == ()
    secure = Listening(address=address, certificate=tmp_path, key=tmp_path)
    assert secure.url(1).startswith("https://")
    with pytest.raises(InputError, match="needs its key"):
        Listening(address=address, certificate=tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_this_machine_it_is_called_by_its_names(address: str) -> None:
    """On the loopback interface only the names of this machine are answered."""
    listening = Listening(address=address)
    assert {"localhost", "127.0.0.1", address} <= set(listening.hosts)
    assert listening.url(8470).startswith("http://")


def test_a_port_that_is_taken_is_refused() -> None:
    """A chosen port that is taken is an error; without a choice another one is taken."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RunnerError, match="cannot listen"):
            Listening(port=port).bind()
    with Listening().bind() as first, Listening().bind() as second:
        assert first.getsockname() != second.getsockname()


def test_large_graphs_have_one_node_for_each_name(make_flow: MakeFlow) -> None:
    """A small flow shows every job; in a large one, the jobs of a name are one node."""
    small = make_flow({"a": [], "b": ["a"]})
    assert graph_svg(FlowGraph.of([small.doc("a"), small.doc("b")]), "f").count("<rect") == 2
    docs = [
        small.doc("a").with_fields({"_id": f"{n}_1", "uuid": str(n)}) for n in range(MOST_NODES)
    ]
    drawn = graph_svg(FlowGraph.of([*docs, small.doc("b")]), "f")
    assert drawn.count("<rect") == 2
    assert f"{MOST_NODES + 1} jobs; those of like names are one node" in drawn


def test_the_graph_of_a_huge_flow_says_that_it_is_a_part(
    project: Project, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more jobs than have room so many are drawn, with a word; of no more, all without it."""
    flow = make_flow({"a": [], "b": ["a"], "c": ["b"]})
    current = Current(project)
    whole = graph_of(current, flow.flow)
    assert whole.count("<rect") == 3
    assert whole.count('class="edge"') == 2
    assert "more" not in whole
    monkeypatch.setattr(flow_page, "MOST_DRAWN", 2)
    part = graph_of(current, flow.flow)
    assert part.count("<rect") == 2
    assert "Only 2 jobs are drawn, the flow has more." in part
