"""The source tree as data: its modules, what they import, how they are packaged."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The root of the source tree.
TREE = Path(__file__).resolve().parents[2]
#: Each top folder of the tree and the package that it is, lowest layer first.
LAYERS = {
    "jfcelery": "jfcelery",
    "scheduler_io": "jfcelery.scheduler_io",
    "tasks": "jfcelery.tasks",
    "cli": "jfcelery.cli",
}


@dataclass(frozen=True)
class Module:
    """A module of the package.

    Args:
        name: Its import name.
        layer: The top folder in which it lies.
        path: Its file.
    """

    name: str
    layer: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        """The module's syntax tree."""
        return ast.parse(self.path.read_text(), str(self.path))

    def imports(self) -> Iterator[str]:
        """Yield the full name of everything that the module imports, wherever it does."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Return all modules of the package, each once."""
    found = []
    for layer, package in LAYERS.items():
        for path in sorted((TREE / layer).rglob("*.py")):
            parts = path.relative_to(TREE / layer).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            found.append(Module(".".join([package, *parts]), layer, path))
    return tuple(found)


def layer_of(name: str) -> str | None:
    """Return the top folder in which an imported name lies; None if it is not ours."""
    for layer, package in reversed(LAYERS.items()):
        if name == package or name.startswith(package + "."):
            return layer
    return None


@cache
def configuration() -> dict[str, Any]:
    """Return the content of ``pyproject.toml``."""
    return tomllib.loads((TREE / "pyproject.toml").read_text())
