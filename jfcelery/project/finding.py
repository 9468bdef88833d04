"""Find the projects in a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
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
    """A file that holds, or should hold, a project; it is checked when asked for.

    Args:
        path: The file.
        name: The name it gives, None if it cannot be read that far.
        clash: The error that another file gives the same name, else None.
    """

    path: Path
    name: str | None
    clash: ProjectInvalidError | None = None

    @cached_property
    def _loaded(self) -> Project | ConfigError:
        if self.clash is not None:
            return self.clash
        try:
            return load_file(self.path)
        except ConfigError as error:
            return error

    @property
    def project(self) -> Project | None:
        """The project, None if the file is wrong."""
        return None if isinstance(self._loaded, ConfigError) else self._loaded

    @property
    def error(self) -> ConfigError | None:
        """What is wrong with the file, None if it is right."""
        return self._loaded if isinstance(self._loaded, ConfigError) else None

    def load(self) -> Project:
        """Return the project, or raise what is wrong with its file."""
        if isinstance(self._loaded, ConfigError):
            raise self._loaded
        return self._loaded


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
        """Return the file of a project; one that cannot be read so far is known by its own name.

        Raises:
            ProjectNotFoundError: No file gives that name.
        """
        for file in sorted(self.files, key=lambda file: file.name is None):
            if name == (file.name or file.path.stem):
                return file
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
        names = ", ".join(self.names or [file.path.name for file in self.files])
        message = f"several projects in {self.folder}: {names}"
        raise ProjectNotFoundError(
            message, remedy="Choose one: `-p NAME` or JFCELERY_PROJECT=NAME."
        )


def find_projects(folder: str | os.PathLike[str] | None = None) -> Projects:
    """Find the project files of a folder, the broken ones too.

    Args:
        folder: The folder. By default that of the settings.
    """
    if folder is None:
        from jfcelery.settings import settings

        folder = settings().projects_folder
    folder = Path(folder).expanduser().absolute()
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = (
        path
        for path in paths
        if path.suffix.lower() in FORMATS and path.is_file() and not path.name.startswith(".")
    )
    files = [ProjectFile(path, _name_in(path)) for path in found]
    return Projects(folder, tuple(_with_clash(file, files) for file in files))


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


def _with_clash(file: ProjectFile, files: list[ProjectFile]) -> ProjectFile:
    same = [str(other.path) for other in files if other.name == file.name]
    if file.name is None or len(same) == 1:
        return file
    message = f"{' and '.join(same)} give the same name {file.name!r}"
    clash = ProjectInvalidError(message, remedy="Change `name` in one, or remove one.")
    return replace(file, clash=clash)


def _name_in(path: Path) -> str | None:
    try:
        data = parse(path.read_text(encoding="utf-8"), format_of(path))
    except (OSError, UnicodeDecodeError, SyntaxProblem):
        return None
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None
