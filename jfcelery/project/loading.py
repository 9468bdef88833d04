"""Load projects from their files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from jfcelery.errors import ProjectNotFoundError
from jfcelery.project.files import SyntaxProblem, format_of, parse
from jfcelery.project.problems import Problem, ProjectFileError, problems_of
from jfcelery.project.project import Project
from jfcelery.project.references import resolve

if TYPE_CHECKING:
    import os


def load_file(path: str | os.PathLike[str]) -> Project:
    """Load a project from its file.

    Args:
        path: The file; its ending says whether it is YAML, JSON or TOML.

    Raises:
        ProjectNotFoundError: The file cannot be read.
        ProjectFileError: The file is wrong.
    """
    path = Path(path).expanduser().absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ProjectFileError(path, [Problem("", "not a text; save it as UTF-8")]) from None
    except OSError as error:
        message = f"cannot read the project file {path}: {error.strerror}"
        raise ProjectNotFoundError(message, remedy="Check the path and its permissions.") from None
    return load_text(text, path)


def load_text(text: str, path: Path) -> Project:
    """Make a project of the text that stands, or is going to stand, in a file.

    Args:
        text: The text.
        path: The file.

    Raises:
        ProjectFileError: The text is wrong.
    """
    try:
        data = parse(text, format_of(path))
    except SyntaxProblem as error:
        raise ProjectFileError(path, [Problem("", str(error))]) from None
    if not isinstance(data, dict):
        problem = Problem("", "no project; write `name: ...` and the other sections")
        raise ProjectFileError(path, [problem])
    try:
        project = _validated(data, path)
    except ProjectFileError as error:
        located = [problem.located(text) for problem in error.problems]
        raise ProjectFileError(path, located) from None
    except RecursionError:
        problem = Problem("", "a part of it holds itself; remove the alias (*name) that does so")
        raise ProjectFileError(path, [problem]) from None
    project._source = path  # noqa: SLF001 - the loader completes what it made
    project._digest = digest_of(text)  # noqa: SLF001
    return project


def digest_of(text: str) -> str:
    """Return the hash by which a change of a project file is noticed."""
    return sha256(text.encode()).hexdigest()


def _validated(data: dict[str, Any], path: Path) -> Project:
    resolved, unresolved = resolve(data, path.parent)
    problems = [Problem.at(u.path, u.text) for u in unresolved]
    try:
        project = Project.model_validate(resolved, context={"folder": path.parent})
    except ValidationError as error:
        known = {problem.key for problem in problems}
        found = problems_of(error, resolved, Project)
        problems += [problem for problem in found if problem.key not in known]
        raise ProjectFileError(path, problems) from None
    if problems:
        raise ProjectFileError(path, problems)
    return project
