"""Other people's programs in environments of their own.

jobflow-remote, whose queue is imported, and atomate2, whose flows are run. Each is installed once;
``python -m tests.support.foreign`` does that before tests ask for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from tests.support.installation import CACHE
from tests.support.tree import TREE

#: The release that writes the databases.
RELEASE = "jobflow-remote==1.0.1"
#: The release whose workflows are run.
ATOMATE2 = "atomate2==0.1.5"
#: Seconds for its installation, and for making a database.
PATIENCE = 900


class InstallationError(Exception):
    """Raised where pip cannot install what is wanted."""


def environment(
    release: str = RELEASE,
    *,
    above: bool = False,
    beside: tuple[str, ...] = (),
    cache: Path = CACHE,
) -> Path:
    """Return the prefix of an environment that holds a release; made when missing.

    Args:
        release: What pip installs.
        above: Whether it lies above the running environment, and gets only what that lacks.
        beside: What else pip installs there.
        cache: Where environments are kept.

    Raises:
        InstallationError: pip cannot install it.
    """
    cache.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    prefix = cache / f"{release.replace('==', '-')}-python{version}"
    with (cache / f"{prefix.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (prefix / "complete").exists():
            shutil.rmtree(prefix, ignore_errors=True)
            venv.create(prefix, with_pip=True, symlinks=True)
            if above:
                below = sysconfig.get_path("purelib")
                (site_packages(prefix) / "running.pth").write_text(f"{below}\n")
            pip = [str(prefix / "bin" / "python"), "-m", "pip", "install", "-q", release, *beside]
            if not above:  # it runs here only, and compiles the little that it imports
                pip.append("--no-compile")
            done = subprocess.run(
                pip, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            if done.returncode:
                raise InstallationError(f"{release}: {done.stderr.strip()[-500:]}")
            (prefix / "complete").touch()
    return prefix


def site_packages(prefix: Path) -> Path:
    """Return the folder of the packages of an environment."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(prefix)}))


def write_project(folder: Path, name: str, url: str, prefix: Path) -> Path:
    """Write a project file for jobflow-remote: a plain worker, all in one database."""
    store = {"type": "MongoURIStore", "uri": url, "database": f"jfct_{name}"}
    worker = {
        "type": "local",
        "scheduler_type": "shell",
        "work_dir": str(folder / "work"),
        "pre_run": f"export PATH={prefix / 'bin'}:$PATH",
    }
    content = {
        "name": name,
        "base_dir": str(folder / name),
        "workers": {"here": worker},
        "queue": {"store": {**store, "collection_name": "jobs"}},
        "jobstore": {"docs_store": {**store, "collection_name": "outputs"}},
        "runner": {
            "delay_checkout": 1,
            "delay_check_run_status": 1,
            "delay_advance_status": 1,
        },
    }
    (folder / "work").mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(content))  # which is YAML as well
    return path


def make_queue(project_file: Path, prefix: Path) -> dict[str, Any]:
    """Have jobflow-remote make a database and run a part of it; return what it wrote of that."""
    command = [str(prefix / "bin" / "python"), "-m", "tests.support.jobflow_remote_queue"]
    done = subprocess.run(
        [*command, project_file.stem],
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("JFCELERY")},
            "JFREMOTE_PROJECTS_FOLDER": str(project_file.parent),
            "PYTHONPATH": str(TREE),
            "PYTHONWARNINGS": "ignore",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    environment(RELEASE)
    environment(ATOMATE2, above=True)
