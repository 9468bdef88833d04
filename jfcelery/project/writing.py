"""Write a tree of entries as YAML, TOML or JSON.

A comment starts with ``# `` and a letter. An option that is commented out starts with ``#`` and
its key, or two blanks below such a one: taking that ``#`` away makes it count.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jfcelery.project.entries import Entry

#: Length of a line of comment.
WIDTH = 92
#: Words that YAML takes for a string, whatever version of it reads them.
_PLAIN_YAML = re.compile(
    r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z/][\w/.+-]*", re.IGNORECASE | re.ASCII
)
_BARE_TOML = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def write(entries: Sequence[Entry], file_format: str, heading: str) -> str:
    """Return the text of a project file.

    Args:
        entries: Its keys.
        file_format: ``yaml``, ``toml`` or ``json``.
        heading: What the file says of itself, where it may.
    """
    return _WRITERS[file_format](entries, heading)


def _json(entries: Sequence[Entry], _heading: str) -> str:
    data = {entry.key: entry.data() for entry in entries if entry.active}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _comment(text: str, indent: str = "") -> Iterator[str]:
    for paragraph in text.splitlines():
        for line in textwrap.wrap(paragraph, WIDTH - len(indent), break_on_hyphens=False) or [""]:
            yield f"{indent}# {line}".rstrip()


def _yaml(entries: Sequence[Entry], heading: str) -> str:
    lines = [*_comment(heading)]
    for entry in entries:
        if entry.comment or entry.section:
            lines.append("")
        lines += _yaml_entry(entry, "")
    return "\n".join(lines) + "\n"


def _yaml_entry(entry: Entry, indent: str) -> Iterator[str]:
    yield from _comment(entry.comment, indent)
    if entry.section is not None:
        lines = [f"{_yaml_scalar(entry.key)}:"]
        for inner in entry.section:
            lines += _yaml_entry(inner, "  ")
        if not any(inner.active for inner in entry.section):
            lines[0] += " {}"
    else:
        lines = list(_yaml_value(entry.key, entry.value))
    mark = "" if entry.active else "#"
    yield from (f"{indent}{mark}{line}" for line in lines)


def _yaml_value(key: str, value: Any) -> Iterator[str]:
    """Write a key and its value without comments: mappings as blocks, all else on its line."""
    if not isinstance(value, dict) or not value:
        yield f"{_yaml_scalar(key)}: {_yaml_scalar(value)}"
        return
    yield f"{_yaml_scalar(key)}:"
    for inner, item in value.items():
        yield from (f"  {line}" for line in _yaml_value(inner, item))


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_YAML.fullmatch(value):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml_scalar, value))}]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    # JSON is YAML, and its strings are TOML's, but for a character that TOML wants escaped and
    # those at which a YAML line ends.
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _toml(entries: Sequence[Entry], heading: str) -> str:
    lines = [*_comment(heading), *_toml_table(entries, ())]
    return "\n".join(lines) + "\n"


def _toml_table(entries: Sequence[Entry], path: tuple[str, ...]) -> Iterator[str]:
    """Write a table: its plain values first, since whatever follows a header belongs to it."""
    tables = [entry for entry in entries if entry.section is not None or _is_table(entry.value)]
    for entry in entries:
        if entry in tables:
            continue
        if entry.comment:
            yield ""
        yield from _comment(entry.comment)
        mark = "" if entry.active else "#"
        yield f"{mark}{_toml_key(entry.key)} = {_toml_scalar(entry.value)}"
    for entry in tables:
        yield ""
        yield from _comment(entry.comment)
        mark = "" if entry.active else "#"
        below = (*path, entry.key)
        yield f"{mark}[{'.'.join(map(_toml_key, below))}]"
        inner = (
            _toml_table(entry.section, below)
            if entry.section is not None
            else _toml_plain(entry.value, below)
        )
        yield from (_off(line) if mark else line for line in inner)


def _off(line: str) -> str:
    return line if not line or line.startswith("#") else f"#{line}"


def _toml_plain(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Write a mapping without comments, its own tables last."""
    for key, value in table.items():
        if not _is_table(value):
            yield f"{_toml_key(key)} = {_toml_scalar(value)}"
    for key, value in table.items():
        if _is_table(value):
            yield f"[{'.'.join(map(_toml_key, (*path, key)))}]"
            yield from _toml_plain(value, (*path, key))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _toml_key(key: str) -> str:
    return key if _BARE_TOML.fullmatch(key) else _quoted(key)


def _toml_scalar(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {_toml_scalar(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_scalar, value))}]"
    return _quoted(value)


_WRITERS: dict[str, Callable[[Sequence[Entry], str], str]] = {
    "yaml": _yaml,
    "toml": _toml,
    "json": _json,
}
