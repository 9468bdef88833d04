"""Find the projects in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import ConfigError, ProjectInvalidError, ProjectNotFoundError
from jfcelery.project.files import FORMATS, SyntaxProblem, format_of, parse
from jfcelery.project.loading import load_file
from jfcelery.project.lookup import did_you_mean

if TYPE_CHECKING:
    import os

    from jfcelery.project.project import Project

#: What creates a first project.
_GENERATE = "Create one with `jfc project generate NAME`."


@dataclass(frozen=True)
class ProjectFile:
    """A file that holds, or should hold, a project.

    Args:
        path: The file.
        name: The name it gives, None if it cannot be read that far.
        project: The project, None if the file is wrong.
        error: What is wrong with the file, else None.
    """

    path: Path
    name: str | None
    project: Project | None = None
    error: ConfigError | None = None

    def load(self) -> Project:
        """Return the project, or raise what is wrong with its file."""
        if self.project is None:
            raise self.error or ProjectInvalidError(f"{self.path} holds no project")
        return self.project


@dataclass(frozen=True)
class Projects:
    """The project files of a folder.

    Args:
        folder: The folder.
        files: Its project files, those with errors too, by file name.
    """

    folder: Path
    files: tuple[ProjectFile, ...]

    @property
    def names(self) -> list[str]:
        """The names that the files give, broken ones included."""
        return sorted({file.name for file in self.files if file.name})

    @property
    def valid(self) -> dict[str, Project]:
        """The projects that can be used, by name."""
        return {file.project.name: file.project for file in self.files if file.project}

    @property
    def broken(self) -> list[ProjectFile]:
        """The files with errors."""
        return [file for file in self.files if file.error]

    def get(self, name: str) -> ProjectFile:
        """Return the file of a project.

        Raises:
            ProjectNotFoundError: No file gives that name.
            ProjectInvalidError: Two files give it.
        """
        files = [file for file in self.files if file.name == name]
        if len(files) > 1:
            paths = " and ".join(str(file.path) for file in files)
            message = f"{paths} both give the name {name!r}"
            raise ProjectInvalidError(message, remedy="Change `name` in one, or remove one.")
        if files:
            return files[0]
        message = f"no project {name!r} in {self.folder}"
        remedy = did_you_mean(name, self.names) if self.names else _GENERATE
        raise ProjectNotFoundError(message, remedy=remedy)

    def only(self) -> ProjectFile:
        """Return the only project file.

        Raises:
            ProjectNotFoundError: There is none, or more than one.
        """
        if len(self.files) == 1:
            return self.files[0]
        if not self.files:
            raise ProjectNotFoundError(f"no project in {self.folder}", remedy=_GENERATE)
        if len(self.names) == 1:
            return self.get(self.names[0])
        names = ", ".join(self.names)
        message = f"several projects in {self.folder}: {names}"
        raise ProjectNotFoundError(
            message, remedy="Choose one: `-p NAME` or JFCELERY_PROJECT=NAME."
        )


def find_projects(folder: str | os.PathLike[str] | None = None) -> Projects:
    """Read all project files of a folder; broken ones come with their error.

    Args:
        folder: The folder. By default that of the settings.
    """
    if folder is None:
        from jfcelery.settings import settings

        folder = settings().projects_folder
    folder = Path(folder).expanduser().absolute()
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = (p for p in paths if p.suffix.lower() in FORMATS and p.is_file())
    return Projects(folder, tuple(_read(path) for path in found if path.name[0] != "."))


def load_project(
    name: str | None = None, *, folder: str | os.PathLike[str] | None = None
) -> Project:
    """Load a project by its name.

    Args:
        name: Its name. By default that of the settings (``JFCELERY_PROJECT``), else the only
            project in the folder.
        folder: The folder of project files. By default that of the settings.

    Raises:
        ProjectNotFoundError: There is no such project, or no name to choose one of several.
        ProjectFileError: The file of that name is wrong.
    """
    from jfcelery.settings import settings

    found = find_projects(folder)
    name = name or settings().project
    if name is None:
        return found.only().load()
    return found.get(name).load()


def _read(path: Path) -> ProjectFile:
    try:
        project = load_file(path)
    except ConfigError as error:
        return ProjectFile(path, _name_in(path), error=error)
    return ProjectFile(path, project.name, project)


def _name_in(path: Path) -> str | None:
    try:
        data = parse(path.read_text(encoding="utf-8"), format_of(path))
    except (OSError, UnicodeDecodeError, SyntaxProblem):
        return None
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None
