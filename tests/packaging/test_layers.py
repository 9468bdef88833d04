"""The shape of the code: which folder may import which, and how large things may grow."""

from __future__ import annotations

import ast
import statistics
import subprocess

import pytest

from tests.conftest import missing
from tests.support.tree import LAYERS, TREE, layer_of, modules

#: Lines of the longest module and of the longest function (without its docstring).
MAX_MODULE, MAX_FUNCTION, MAX_MEDIAN = 400, 50, 120


@pytest.mark.parametrize("folder", ["cli", "scheduler_io", "tasks"])
def test_links_are_relative(folder: str) -> None:
    """The package reaches its sister folders through relative links, wherever it lies."""
    assert str((TREE / "jfcelery" / folder).readlink()) == f"../{folder}"


def test_imports_go_down() -> None:
    """No module imports from a layer above its own: cli, tasks, scheduler_io, core."""
    height = {layer: at for at, layer in enumerate(LAYERS)}
    upward = {
        (module.name, name)
        for module in modules()
        for name in module.imports()
        if (layer := layer_of(name)) and height[layer] > height[module.layer]
    }
    assert upward == set()


def test_modules_say_what_they_are() -> None:
    """Every module has a docstring."""
    assert [module.name for module in modules() if not ast.get_docstring(module.tree)] == []


def test_modules_stay_small() -> None:
    """No module exceeds 400 lines."""
    lengths = {module.name: len(module.path.read_text().splitlines()) for module in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_MODULE} == {}


def test_functions_stay_small() -> None:
    """No function exceeds 50 lines, its docstring left out."""
    lengths = {
        f"{module.name}.{node.name}": body_lines(node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION} == {}


def test_modules_are_about_one_noun() -> None:
    """The median module stays short."""
    lengths = [len(module.path.read_text().splitlines()) for module in modules()]
    assert statistics.median(lengths) <= MAX_MEDIAN


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, its docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function):
        text = function.body[0]
        lines -= (text.end_lineno or text.lineno) - text.lineno + 1
    return lines


#: The modules that may write to the jobs' collection: changes go by compare-and-set through the
#: first two, the others insert, move to the archive, or remove whole jobs.
WRITERS = {
    "jfcelery.database.jobs": {"update_one"},
    "jfcelery.database.bulk": {"bulk_write"},
    "jfcelery.flows.insertion": {"delete_many"},
    "jfcelery.controller.archive": {"bulk_write"},
}


def test_jobs_are_written_in_one_place() -> None:
    """No module goes around the compare-and-set and the state table."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            match node:
                case ast.Attribute(value=ast.Attribute(value=holder, attr="jobs"), attr=method):
                    writes = method.startswith(("update_", "insert_", "delete_", "replace_"))
                    writes |= method == "bulk_write" or method.startswith("find_one_and")
                    if writes and _is_queue(holder):
                        found.setdefault(module.name, set()).add(method)
    for name, methods in found.items():
        assert methods <= WRITERS.get(name, set()), name
    assert "jfcelery.database.jobs" in found


def _is_queue(node: ast.expr) -> bool:
    """Return whether an expression names the queue's database."""
    return (isinstance(node, ast.Name) and node.id == "queue") or (
        isinstance(node, ast.Attribute) and node.attr == "queue"
    )


#: What stands in the root of the repository, and nothing else.
ROOT = {
    *("jfcelery", "scheduler_io", "tasks", "cli", "tests", "docs", "compose"),
    *("pyproject.toml", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE"),
    *(".ci", ".github", ".dockerignore", ".gitignore", ".pre-commit-config.yaml"),
}


def test_the_root_holds_what_it_should() -> None:
    """No file strays into the root of the repository."""
    if not (TREE / ".git").exists():
        missing("a clone of the repository")
    command = ["git", "-c", "safe.directory=*", "ls-files"]
    listed = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=True)
    assert {line.partition("/")[0] for line in listed.stdout.splitlines()} == ROOT
