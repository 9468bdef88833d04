"""Where in a project file a key stands: people look for a line, not for a path of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruamel.yaml.nodes import Node


def words_of(path: Sequence[str | int]) -> str:
    """Return keys joined by dots, as people write them; entries of lists are counted from one."""
    words = ""
    for key in path:
        if isinstance(key, int):
            words += f" (entry {key + 1})"
        else:
            words += f".{key}" if words else key
    return words


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """Return the line of a YAML or JSON text on which a key stands, or what should hold it.

    Args:
        text: The text of the file, which can be read.
        path: The keys that lead to it, and the indices of lists.

    Returns:
        Counted from one; None where no part of the path is there, or the text is neither.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        here: Node | None = YAML(typ="safe", pure=True).compose(text.removeprefix("\ufeff"))
    except YAMLError:
        return None
    line = None
    for key in path:
        found = _inside(here, key)
        if found is None:
            break
        line, here = found
    return line


def _inside(node: Node | None, key: str | int) -> tuple[int, Node] | None:
    """Return the line of a key or an entry of a node, and its value."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        entry = node.value[key]
        return entry.start_mark.line + 1, entry
    return None
