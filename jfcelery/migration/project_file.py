"""A project file of jobflow-remote made into one of jfcelery; comments and references stay."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.errors import InputError
from jfcelery.project.files import format_of, parse
from jfcelery.project.loading import load_file
from jfcelery.project.mongo import plain_spec

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from jfcelery.project import Project

#: Folders in which jobflow-remote keeps its own things.
_FOLDERS = ("base_dir", "tmp_dir", "log_dir", "daemon_dir")


def converted(
    file: str | Path, *, name: str | None = None, database: str | None = None
) -> tuple[str, str]:
    """Return the name and the text (YAML) of a project of jfcelery.

    Folders go to their defaults. The queue gets a database of its own: jfcelery and
    jobflow-remote cannot share one.

    Args:
        file: The project file of jobflow-remote.
        name: Another name for the project.
        database: Name of the queue's database on the same MongoDB server; None for the embedded
            database.

    Raises:
        ConfigError: The file is wrong.
        InputError: The database is the one that jobflow-remote uses, or there is no server.
    """
    path = Path(file).expanduser().absolute()
    project = load_file(path)
    data = _read(path)
    for folder in _FOLDERS:
        data.pop(folder, None)
    data["name"] = name or project.name
    queue = data.pop("queue", None)
    if database is not None:
        data["queue"] = _queue(project, queue, database)
    return str(data["name"]), _dump(data)


def _queue(project: Project, queue: Any, database: str) -> Any:
    target = project.queue.target if project.queue else None
    if target is None or queue is None:
        raise InputError(
            f"{project.source} names no MongoDB server for the queue.",
            remedy="Leave --database out to use the embedded one.",
        )
    if database == target.database:
        raise InputError(
            f"{database!r} is the database that jobflow-remote uses.",
            remedy="Name another one; it is made when it is first used.",
        )
    kind, _ = plain_spec(queue["store"])
    if kind not in {"MongoStore", "MongoURIStore"}:
        raise InputError(
            f"The queue's store is a {kind}; its database cannot be changed by a name.",
            remedy="Leave --database out, and write the queue section by hand.",
        )
    queue["store"]["database"] = database
    return queue


def _read(path: Path) -> MutableMapping[str, Any]:
    """Return a file's content with its comments, where they can be kept."""
    text = path.read_text(encoding="utf-8")
    kind = format_of(path)
    data: MutableMapping[str, Any]
    # JSON read as YAML would be written in its one-line form again
    data = _yaml().load(text) if kind == "yaml" and not _is_json(text) else parse(text, kind)
    return data


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _dump(data: MutableMapping[str, Any]) -> str:
    out = StringIO()
    _yaml().dump(data, out)
    return out.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1000
    return yaml
