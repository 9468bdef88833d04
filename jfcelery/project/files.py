"""Read project files: YAML, JSON or TOML."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Formats by the ending of the file name.
FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}


#: What people wrote, by what the YAML parser says of it.
_IN_WORDS = {
    r"expected <block end>": "it is indented unlike the lines above; put as many blanks before it "
    "as they have",
    r"mapping values are not allowed": "a colon that cannot stand here; put a value with a colon "
    "in quotes, and see that the line above ends with a colon or is indented as this one is",
    r"character '\\t'": "a tab; indent with blanks",
    r"unexpected end of stream": "a quote further up is not closed",
    r"expected ',' or '[\]}]'": "a bracket further up is not closed, or a comma is missing in it",
}


class SyntaxProblem(ValueError):  # noqa: N818 - it is caught within the package
    """Raised when a text is no YAML, JSON or TOML; its words hold none of the text."""


def parse(text: str, file_format: str) -> Any:
    """Turn a text into data.

    Args:
        text: The text of a project file.
        file_format: ``yaml``, ``json`` or ``toml``.

    Raises:
        SyntaxProblem: The text is not of that format.
    """
    # Editors of some systems begin a file with a mark of its encoding.
    return _PARSERS[file_format](text.removeprefix("\ufeff"))


def format_of(path: Path) -> str:
    """Return the format of a file by its name.

    Raises:
        SyntaxProblem: No project file has such a name.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        msg = f"a project file ends in {', '.join(FORMATS)}"
        raise SyntaxProblem(msg) from None


def _yaml(text: str) -> Any:
    # ruamel and not PyYAML: in YAML 1.1 `time: 24:00:00` is the number 86400 and `no` is false.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        msg = f"{where}{_without_text(error.problem or error.context or 'not YAML')}"
        raise SyntaxProblem(msg) from None
    except YAMLError as error:
        raise SyntaxProblem(_without_text(str(error))) from None


def _without_text(problem: str) -> str:
    """Return the parser's complaint without what it quotes of the file, which may be a secret."""
    duplicate = re.match(r"found duplicate key \"(\w+)\"", problem)
    if duplicate:
        return f"the key {duplicate[1]!r} is there twice; remove one"
    for pattern, words in _IN_WORDS.items():
        if re.search(pattern, problem):
            return words
    # One character, or a token such as '<block end>', gives nothing away.
    kept = re.sub(r"(['\"])(?!<).{2,}\1", "...", _first_line(problem))
    needs_quotes = re.search(r"\b(alias|anchor|tag)\b|cannot start any token", kept)
    return f"{kept}; put such a value in quotes" if needs_quotes else kept


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise SyntaxProblem(msg) from None


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SyntaxProblem(_first_line(str(error))) from None


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0].strip()


_PARSERS: dict[str, Callable[[str], Any]] = {"yaml": _yaml, "json": _json, "toml": _toml}
