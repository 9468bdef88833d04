"""Turn what pydantic finds wrong into one line a problem: file, key, what, remedy."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from jfcelery.errors import ProjectInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

#: What to do about common mistakes, by pydantic's type of the error.
_REMEDIES = {
    "string_type": "put it in quotes",
    "missing": "add it",
    "bool_parsing": "write true or false",
    "list_type": "write a list: [one, two]",
    "tuple_type": "write a list: [one, two]",
    "dict_type": "write keys and values",
    "model_type": "write keys and values",
    "model_attributes_type": "write keys and values",
}


@dataclass(frozen=True)
class Problem:
    """Something wrong in a project file.

    Args:
        key: The keys that lead to it, joined by dots; empty for the file as a whole.
        text: What is wrong, and the remedy.
    """

    key: str
    text: str


class ProjectFileError(ProjectInvalidError):
    """Raised when a project file is wrong, with all that is wrong in it.

    Args:
        path: The file, None for a project that came from none.
        problems: What is wrong, one line each in the message.
    """

    def __init__(self, path: Path | None, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = (": ".join(filter(None, (str(path or ""), p.key, p.text))) for p in self.problems)
        super().__init__("\n".join(lines))


def key_of(path: Sequence[str | int]) -> str:
    """Return keys joined by dots, as people write them."""
    return ".".join(str(key) for key in path)


def problems_of(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Problem]:
    """Return what pydantic found wrong, one problem a key.

    Args:
        error: What pydantic raised.
        data: What it was given.
        model: The model it should have become.
    """
    texts: dict[str, list[str]] = {}
    for details in error.errors(include_url=False, include_input=False):
        path = _path_in_file(details, data)
        known = texts.setdefault(key_of(path), [])
        text = _text(details, model)
        if text not in known:
            known.append(text)
    return [Problem(key, ", or ".join(found)) for key, found in texts.items()]


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
    inner = details.get("ctx", {}).get("path")
    return [*path, inner] if inner else path


def _text(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, location = details["type"], details["loc"]
    if kind == "extra_forbidden":
        return _unknown_key(str(location[-1]), known_keys(model, location[:-1]))
    if kind == "union_tag_not_found":
        return "`type` is missing; add one of local, remote, separated_transfer"
    if kind == "union_tag_invalid":
        context = details.get("ctx", {})
        return f"unknown type {context.get('tag')!r}; use one of {context.get('expected_tags')}"
    text = re.sub(r"^(Value error|Assertion failed), ", "", details["msg"])
    if text.startswith("Input should"):
        text = text[0].lower() + text[1:]
    if kind == "missing":
        text = "missing"
    remedy = _REMEDIES.get(kind)
    return f"{text}; {remedy}" if remedy else text


def _unknown_key(key: str, known: set[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1)
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
