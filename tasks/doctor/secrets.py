"""Finding a project's secrets, to keep them out of a report."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jfcelery.project.masking import MASK, without_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

#: Names of fields, of files' keys and of environment variables whose values are secrets.
_NAME = re.compile(r"pass|secret|token|credential|private_?key|pkey|api_?key", re.IGNORECASE)
#: Assignments of secrets in free text: ``password=…``, ``"token": "…"``, ``--password …``.
_ASSIGNED = re.compile(
    r"(?P<name>[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&}\])]+)",
    re.IGNORECASE,
)
#: Secrets that are shorter stand in too many words to be replaced everywhere.
SHORTEST = 4


class Redactor:
    """Replaces a project's secrets in texts.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        found = {
            *_secrets(project.model_dump(mode="python")),
            *_of_files(project),
            *(value for name, value in os.environ.items() if _NAME.search(name)),
        }
        known = {secret for secret in found if len(secret) >= SHORTEST}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _ASSIGNED.sub(rf"\g<name>{MASK}", without_login(text))


def _secrets(value: Any, key: str = "") -> Iterator[str]:
    """Yield the secrets in data: what is marked as such, what is called so, logins in addresses."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, key)
    elif isinstance(value, str) and value:
        if _NAME.search(key):
            yield value
        elif "://" in value:
            yield from _of_address(value)


def _of_address(text: str) -> Iterator[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _of_files(project: Project) -> Iterator[str]:
    """Yield the passwords that jfcelery generated for the embedded services and Flower."""
    for folder in (Path(str(project.base_dir)) / "services", Path(str(project.daemon_dir))):
        for path in folder.rglob("*"):
            if path.suffix in {".json", ""} and path.is_file():
                yield from _of_file(path)


def _of_file(path: Path) -> Iterator[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    yield from _secrets(content)
