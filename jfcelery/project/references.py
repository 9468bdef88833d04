"""References to secrets: ``${VAR}`` and ``file:PATH`` instead of a password in the file.

They are resolved only in the options below; everywhere else, above all in shell commands, ``$``
belongs to the shell of the worker.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Sections of the file in which references are resolved, whatever the depth.
_SECTIONS = ("queue", "jobstore", "JOB_STORE", "optional_jobstores", "remote_jobstore", "broker",
             "notifications", "base_dir", "tmp_dir", "log_dir", "daemon_dir")  # fmt: skip
#: Options of a worker in which references are resolved, whatever the depth.
_WORKER_OPTIONS = ("host", "user", "port", "password", "key_filename", "passphrase", "gateway",
                   "connect_kwargs", "transfer")  # fmt: skip
#: ``$${`` stands for a plain ``${``.
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
#: A value that is the content of a file.
_FILE = "file:"


class DeadReferenceError(ValueError):
    """Raised when a reference leads nowhere."""


@dataclass(frozen=True)
class Unresolved:
    """A reference that leads nowhere.

    Args:
        path: The keys that lead to it.
        text: What is wrong, and the remedy.
    """

    path: tuple[str | int, ...]
    text: str


def resolve(data: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Unresolved]]:
    """Replace all references in the data of a project file.

    Args:
        data: What the file says.
        folder: Where relative paths of ``file:`` start.

    Returns:
        The data with values, and the references that lead nowhere.
    """
    resolver = _Resolver(folder)
    resolved = dict(data)
    for section in _SECTIONS:
        if section in data:
            resolved[section] = resolver.walk(data[section], (section,))
    workers = data.get("workers")
    if isinstance(workers, dict):
        resolved["workers"] = {name: resolver.worker(w, name) for name, w in workers.items()}
    return resolved, resolver.unresolved


def secret_variable(name: str) -> str:
    """Return a secret of a container: the environment variable, or the file that NAME_FILE names.

    Args:
        name: Of the variable.

    Returns:
        The secret; empty if there is none.

    Raises:
        ConfigError: The file cannot be read.
    """
    if found := os.environ.get(name):
        return found
    path = os.environ.get(f"{name}_FILE")
    try:
        return _content(Path(path).expanduser()) if path else ""
    except DeadReferenceError as error:
        raise ConfigError(f"{name}_FILE: {error}") from None


class _Resolver:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unresolved: list[Unresolved] = []

    def worker(self, worker: Any, name: str) -> Any:
        if not isinstance(worker, dict):
            return worker
        return {
            key: self.walk(value, ("workers", name, key)) if key in _WORKER_OPTIONS else value
            for key, value in worker.items()
        }

    def walk(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {key: self.walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            text = self.text(value)
        except DeadReferenceError as error:
            self.unresolved.append(Unresolved(path, str(error)))
            return value
        # Stores hand their arguments to the driver as they are, and a port must be a number.
        return int(text) if path[-1] == "port" and text.isdecimal() else text

    def text(self, value: str) -> str:
        replaced = _REFERENCE.sub(_variable, value)
        if value.startswith(_FILE):
            return _content(Path(self.folder, Path(replaced[len(_FILE) :]).expanduser()))
        return replaced


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return "${"
    if name in os.environ:
        return os.environ[name]
    msg = f"environment variable {name!r} is not set; export it, or write $${{ for a plain ${{"
    raise DeadReferenceError(msg)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        msg = f"cannot read {path} ({reason}); put the secret there, readable for you only"
        raise DeadReferenceError(msg) from None
