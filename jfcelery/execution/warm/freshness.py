"""Whether what a process has imported is still what a new one would import."""

from __future__ import annotations

import os
import site
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How the names of variables end that name a file of settings, such as JOBFLOW_CONFIG_FILE.
_SETTINGS = "_CONFIG_FILE"
_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Freshness:
    """The files on which the imports of this process depended, as they were then.

    These are the files of all modules, the folders into which packages are installed, and what
    packages read their settings from: hidden YAML files of the home directory, and files that
    variables name.

    Args:
        stamps: Time of change, size and number of each file, by its path; None if it is not there.
    """

    stamps: dict[str, _Stamp | None]

    @classmethod
    def now(cls, *, since: int) -> Self:
        """Take down how the files are now.

        Args:
            since: When the imports began, in nanoseconds of Unix time: what was written since then
                may have been imported as it was before, and counts as changed.
        """
        stamps = {path: _stamp(path) for path in (*_modules(), *_packages(), *_settings())}
        now = time.time_ns()
        for path, stamp in stamps.items():
            if stamp is not None and since <= stamp[0] <= now:
                stamps[path] = None
        return cls(stamps)

    def changed(self) -> str | None:
        """Return a file that has changed, None if none has."""
        for path in _settings():
            if path not in self.stamps:
                return path
        return next((path for path, stamp in self.stamps.items() if _stamp(path) != stamp), None)


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # a thousand of them for each job
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _modules() -> Iterator[str]:
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and not path.startswith("<"):
            yield path


def _packages() -> Iterator[str]:
    yield from site.getsitepackages()
    yield site.getusersitepackages()


def _settings() -> Iterator[str]:
    yield from (value for name, value in os.environ.items() if name.endswith(_SETTINGS))
    home = Path("~").expanduser()
    try:
        with os.scandir(home) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return
    for name in names:
        if name.startswith(".") and name.endswith((".yaml", ".yml")):
            yield str(home / name)
