"""The table of faults in the documentation is whole, and each of its rows is tested."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.tree import TREE

PAGE = TREE / "docs" / "faults.md"
TESTBED = TREE / "tests" / "testbed"
#: Settings of the relay that are faults of their own; the others say how often, or how long.
SETTINGS = ("latency_ms", "rate_kbps", "cut_after")
#: What is said of a fault that belongs to one of the services.
SERVICE = re.compile(r"`service \w+ (\w+)`")


def rows() -> list[list[str]]:
    """Return the cells of every row of the page's tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] not in {"fault", "---"}]


def choices(command: str) -> list[str]:
    """Return what may follow a fault of the testbed's command line."""
    text = (TESTBED / "testbed.py").read_text()
    found = re.search(rf'f\.add_parser\(\s*"{command}".*?choices=(\[[^]]*\])', text, re.DOTALL)
    assert found, command
    return list(ast.literal_eval(found[1]))


def faults() -> set[str]:
    """Return every fault that the testbed can inject."""
    relay = (TESTBED / "relay.py").read_text()
    modes = re.search(r"^MODES = (\(.*\))$", relay, re.MULTILINE)
    assert modes
    assert all(f"    {name}=" in relay for name in SETTINGS)
    found = {f"relay mode={mode}" for mode in ast.literal_eval(modes[1]) if mode != "ok"}
    found |= {f"relay {name}" for name in SETTINGS} | {"relay drop"}
    found |= {f"net {mode}" for mode in choices("net") if mode != "up"}
    found |= {f"service {what}" for what in choices("service") if what not in {"start", "thaw"}}
    text = (TESTBED / "testbed.py").read_text()
    others = set(re.findall(r'\bf\.add_parser\(\s*"(\w+)"', text))
    return found | (others - {"relay", "net", "service"})


def test_every_fault_of_the_testbed_is_in_the_table() -> None:
    """One that the testbed learns needs a row, and a test."""
    told = " ".join(row[0] for row in rows())
    told += " ".join(f"`service {what}`" for what in SERVICE.findall(told))
    missing = {fault for fault in faults() if f"`{fault}`" not in told}
    assert not missing


def check(test: str) -> None:
    """Raise unless a test of the page exists."""
    path, _, name = test.strip("`").partition("::")
    module = ast.parse((TREE / path).read_text())
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_row_is_a_test_that_exists(row: list[str]) -> None:
    """What is said of a fault is shown."""
    assert len(row) == 4
    for test in row[3].split(", "):
        check(test)


def test_what_holds_for_all_rows_is_shown_too() -> None:
    """The tests that are named before the first table exist."""
    intro = PAGE.read_text().partition("## ")[0]
    found = re.findall(r"`(tests/\S+::\w+)`", intro)
    assert found
    for test in found:
        check(test)
