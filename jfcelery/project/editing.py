"""Change project files: create, remove, replace text; comments in them stay as they are."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import ConfigError, InputError, ProjectInvalidError
from jfcelery.project.finding import find_projects
from jfcelery.project.generation import generate
from jfcelery.project.loading import load_text
from jfcelery.project.project import FOLDERS

if TYPE_CHECKING:
    from jfcelery.project.finding import Projects
    from jfcelery.project.project import Project

#: Permissions of new project files: they may hold passwords.
PRIVATE = 0o600


def create_project(
    name: str,
    *,
    full: bool = False,
    file_format: str = "yaml",
    folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a new project file.

    Args:
        name: Name of the project, and of its file.
        full: Whether to write every option with its description.
        file_format: ``yaml``, ``json`` or ``toml``.
        folder: The folder of project files. By default that of the settings.

    Returns:
        The file.

    Raises:
        ConfigError: There is such a project or file, or the file cannot be written.
        InputError: The name or format cannot be used.
    """
    found = find_projects(folder)
    path = _free_path(found, name, file_format)
    text = generate(name, full=full, file_format=file_format, folder=found.folder)
    _write_new(path, text)
    return path


def save_project(name: str, text: str, *, folder: str | os.PathLike[str] | None = None) -> Path:
    """Save the text of a new project file, in YAML, if there is nothing wrong with it.

    Args:
        name: Name of the project, and of its file.
        text: The text.
        folder: The folder of project files. By default that of the settings.

    Returns:
        The file.

    Raises:
        ConfigError: There is such a project or file, the text is wrong, or the file cannot be
            written.
    """
    path = _free_path(find_projects(folder), name, "yaml")
    load_text(text, path)
    _write_new(path, text)
    return path


def _free_path(found: Projects, name: str, ending: str) -> Path:
    """Return the path of a new project's file.

    Raises:
        ConfigError: There is such a project or file.
    """
    path = found.folder / f"{name}.{ending}"
    if name in found.names or path.exists():
        taken = found.get(name).path if name in found.names else path
        message = f"project {name!r} exists: {taken}"
        raise ConfigError(message, remedy="Choose another name, or edit that file.")
    return path


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text, PRIVATE)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise ConfigError(message, remedy="Check the folder and its permissions.") from None


def folders_of(project: Project) -> list[Path]:
    """Return the folders that belong to a project and exist, outermost only."""
    named = [project.base_dir, *(getattr(project, option) for option in FOLDERS)]
    existing = dict.fromkeys(folder for folder in named if folder.is_dir())
    return [f for f in existing if not any(other in f.parents for other in existing)]


def remove_project(project: Project, *, folders: bool = True) -> list[Path]:
    """Remove a project's file, and its folders if wanted. What runs must be stopped before.

    Args:
        project: The project.
        folders: Whether to remove its folders with the embedded database, logs and so on.

    Returns:
        What was removed.

    Raises:
        ConfigError: A folder holds more than the project, or cannot be removed.
    """
    doomed = folders_of(project) if folders else []
    for folder in doomed:
        _refuse_shared(folder, project)
    removed: list[Path] = []
    try:
        for folder in doomed:
            shutil.rmtree(folder)
            removed.append(folder)
        if project.source is not None and project.source.exists():
            project.source.unlink()
            removed.append(project.source)
    except OSError as error:
        message = f"cannot remove {error.filename}: {error.strerror}"
        raise ConfigError(message, remedy="Check its permissions, then try again.") from None
    return removed


def _refuse_shared(folder: Path, project: Project) -> None:
    """Refuse to remove a folder in which the person, or other projects, have their own things."""
    own = folder.resolve()
    precious = [Path.home(), Path.cwd(), Path(tempfile.gettempdir())]
    precious += [project.source] if project.source else []
    for path in precious:
        inside = path.resolve()
        if own == inside or own in inside.parents:
            message = f"{folder} holds {path}, so it is not removed with project {project.name!r}"
            remedy = "Keep the folders (--keep-folders) and remove by hand what is not needed."
            raise ConfigError(message, remedy=remedy)


@dataclass(frozen=True)
class Replacement:
    """A change of the text of a project file that is not made yet.

    Args:
        path: The file.
        before: Its text.
        after: The text it would have.
        error: What would be wrong with the file then, else None.
    """

    path: Path
    before: str
    after: str
    error: ProjectInvalidError | None = None

    @property
    def changes(self) -> bool:
        """Whether anything changes at all."""
        return self.before != self.after

    @property
    def diff(self) -> str:
        """The lines that change, as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"{self.path.name} (now)",
            f"{self.path.name} (then)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def apply(self, *, backup: bool = True) -> Path | None:
        """Make the change.

        Args:
            backup: Whether to keep the file as it is beside the new one.

        Returns:
            The copy of the old file, None without one.

        Raises:
            ConfigError: The file was changed meanwhile, or cannot be written.
        """
        try:
            if self.path.read_text(encoding="utf-8") != self.before:
                message = f"{self.path} was changed meanwhile"
                raise ConfigError(message, remedy="Look at the changes again.")
            copy = backup_file(self.path) if backup else None
            _write(self.path, self.after, self.path.stat().st_mode & 0o777)
        except OSError as error:
            message = f"cannot write {self.path}: {error.strerror}"
            raise ConfigError(message, remedy="Check its permissions.") from None
        return copy


def replace_text(path: str | os.PathLike[str], old: str, new: str) -> Replacement:
    """Prepare the replacement of a text in a project file, and check what would come of it.

    Args:
        path: The file.
        old: The text to replace, wherever it stands.
        new: The text to put there.

    Raises:
        InputError: ``old`` is empty.
        ConfigError: The file cannot be read.
    """
    if not old:
        raise InputError("the text to replace is empty", remedy="Say what to replace.")
    path = Path(path).expanduser().absolute()
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise ConfigError(f"cannot read {path}: {reason}", remedy="Check the path.") from None
    after = before.replace(old, new)
    try:
        load_text(after, path)
    except ProjectInvalidError as error:
        return Replacement(path, before, after, error)
    return Replacement(path, before, after)


def backup_file(path: Path) -> Path:
    """Copy a project file to the first free ``NAME.bak.1``, ``.2`` ... beside it."""
    number = 1
    while (copy := path.with_name(f"{path.name}.bak.{number}")).exists():
        number += 1
    return Path(shutil.copy2(path, copy))


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file at once: whoever reads it sees the old or the new text, never a part."""
    path = path.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
