"""Finding a project's secrets, to keep them out of a report."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.project.masking import MASK, SECRET_NAME, Redactor, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

#: Assignments of secrets in free text: ``password=…``, ``"token": "…"``, ``--password …``.
_ASSIGNED = re.compile(
    r"(?P<name>[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&}\])]+)",
    re.IGNORECASE,
)


class ReportRedactor(Redactor):
    """Replaces a project's secrets in texts, and all that looks like one.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        of_environment = (v for name, v in os.environ.items() if SECRET_NAME.search(name))
        of_project = secrets_in(project.model_dump(mode="python"))
        super().__init__([*of_project, *_of_files(project), *of_environment])

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        return _ASSIGNED.sub(rf"\g<name>{MASK}", super().__call__(text))


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
    yield from secrets_in(content)
