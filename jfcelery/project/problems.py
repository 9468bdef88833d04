"""Turn what pydantic finds wrong into one line a problem: file, key, what, remedy."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from jfcelery.errors import ProjectInvalidError
from jfcelery.project.places import line_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

#: What is wrong, and what to write, by pydantic's type of the error.
_WHOLE_NUMBER, _NUMBER = "must be a whole number", "must be a number"
_BOOL, _LIST = "must be true or false", "must be a list; write [one, two]"
_MAPPING = "must hold keys and values; write `key: value` below it"
_WORDS = {
    "missing": "missing; add it",
    "string_type": "must be a text; put it in quotes",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
}
#: How alike a key must be to one that there is, of 1, for that to be meant.
_NEAR = 0.7


@dataclass(frozen=True)
class Problem:
    """Something wrong in a project file.

    Args:
        key: The keys that lead to it, in words; empty for the file as a whole.
        text: What is wrong, and the remedy.
        path: The keys, and the indices of lists.
        line: Where it stands in the file, counted from one; None if that is not known.
    """

    key: str
    text: str
    path: tuple[str | int, ...] = ()
    line: int | None = None

    @classmethod
    def at(cls, path: Sequence[str | int], text: str) -> Problem:
        """Return what is wrong at a path of keys."""
        return cls(words_of(path), text, tuple(path))

    def located(self, text: str) -> Problem:
        """Return it with its line in the text of the file."""
        return replace(self, line=line_of(text, self.path))

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}"
        return ": ".join(filter(None, (line, self.key, self.text)))


class ProjectFileError(ProjectInvalidError):
    """Raised when a project file is wrong, with all that is wrong in it.

    Args:
        path: The file, None for a project that came from none.
        problems: What is wrong, one line each in the message.
    """

    def __init__(self, path: Path | None, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = (f"{path}: {problem}" if path else str(problem) for problem in self.problems)
        super().__init__("\n".join(lines))


def problems_of(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Problem]:
    """Return what pydantic found wrong, one problem a key.

    Args:
        error: What pydantic raised.
        data: What it was given.
        model: The model it should have become.
    """
    texts: dict[tuple[str | int, ...], list[str]] = {}
    for details in error.errors(include_url=False, include_input=False):
        path = _path_in_file(details, data)
        known = texts.setdefault(tuple(path), [])
        text = _text(details, model)
        if text not in known:
            known.append(text)
    return [Problem.at(path, ", or ".join(found)) for path, found in texts.items()]


def _path_in_file(details: ErrorDetails, data: Any) -> list[str | int]:
    """Drop what stands in pydantic's location but not in the file: members of unions."""
    path: list[str | int] = []
    here = data
    location = details["loc"]
    for i, key in enumerate(location):
        last = i == len(location) - 1
        if isinstance(here, dict) and key in here:
            path.append(key)
            here = here[key]
        elif isinstance(here, list) and isinstance(key, int):
            path.append(key)
            here = here[key] if key < len(here) else None
        elif last and details["type"] == "missing":
            path.append(key)
    inner = details.get("ctx", {}).get("path") or ""
    return path + [int(key) if key.isdigit() else key for key in inner.split(".") if key]


def _text(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, location = details["type"], details["loc"]
    if kind == "extra_forbidden":
        return _unknown_key(str(location[-1]), known_keys(model, location[:-1]))
    if kind == "union_tag_not_found":
        return "`type` is missing; add one of local, remote, separated_transfer"
    if kind == "union_tag_invalid":
        context = details.get("ctx", {})
        return f"unknown type {context.get('tag')!r}; use one of {context.get('expected_tags')}"
    if words := _WORDS.get(kind):
        return words
    text = re.sub(r"^(Value error|Assertion failed), ", "", details["msg"])
    return re.sub(r"^Input should ", "must ", text)


def _unknown_key(key: str, known: set[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1, cutoff=_NEAR)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    return f"unknown key; remove it, or use one of {', '.join(sorted(known))}"


def known_keys(model: type[BaseModel], location: Sequence[str | int]) -> set[str]:
    """Return the keys that may stand at a location of the file.

    Args:
        model: The model of the whole file.
        location: pydantic's location, with the tags of unions.
    """
    found: list[type[BaseModel]] = [model]
    for key in location:
        deeper: list[type[BaseModel]] = []
        for candidate in found:
            field = candidate.model_fields.get(str(key))
            if field is not None:
                deeper += _models_in(field.annotation)
        tagged = [m for m in found if _tag(m) == key]
        # Names of workers, indices of lists and other tags lead to the same models.
        found = deeper or tagged or found
    return {name for candidate in found for name in candidate.model_fields}


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    return str(field.default) if field is not None else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]
