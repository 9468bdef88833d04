"""An installed jfcelery that the hosts of the testbed can read.

Clusters see neither this source tree nor a person's home. They get what a site would have: an
environment in a folder of its own, holding a copy of the package; its dependencies are those of
the running interpreter's environment.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import shutil
import sys
import sysconfig
import time
import venv
from pathlib import Path

from tests.support.tree import LAYERS, TREE, configuration

#: Hosts of the testbed keep this folder of the machine; most others are private to them.
CACHE = Path("/var/cache/jfcelery-tests")
#: Age at which an unused installation is removed, in seconds.
LIFETIME = 24 * 3600.0
LAUNCHER = """#!{python}
import sys
from jfcelery.cli.main import main
sys.exit(main())
"""


def installation(cache: Path = CACHE) -> Path:
    """Return the prefix of an installation of this very source tree; made when missing.

    Several test processes may ask at once; one of them makes it.
    """
    cache.mkdir(parents=True, exist_ok=True)
    prefix = cache / f"env-{_digest()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_old(cache)
        if not (prefix / "complete").exists():
            shutil.rmtree(prefix, ignore_errors=True)
            _make(prefix)
            (prefix / "complete").touch()
        os.utime(prefix)
    return prefix


def masked_paths() -> list[Path]:
    """Return the folders that an installation needs and that hosts may not see by themselves."""
    needed = {Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(path for path in needed if path != Path("/usr"))


def _sources() -> list[Path]:
    """Return all files of the package, without those reached twice through links."""
    return sorted(
        path
        for folder in LAYERS
        for path in (TREE / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.is_symlink()
    )


def _digest() -> str:
    """Return a short hash of the package's files and of the environment below it."""
    digest = hashlib.sha256(f"{sys.executable} {sys.version}".encode())
    for path in (TREE / "pyproject.toml", *_sources()):
        digest.update(str(path.relative_to(TREE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _make(prefix: Path) -> None:
    """Make the environment: a copy of the package above the running environment's packages."""
    venv.create(prefix, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(prefix)}))
    for path in _sources():
        folder, *rest = path.relative_to(TREE).parts
        target = site.joinpath(*LAYERS[folder].split("."), *rest)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    compileall.compile_dir(site, quiet=1)
    _describe(site)
    # A plain path: further .pth files below it, such as an editable install's, are not read.
    (site / "running.pth").write_text(sysconfig.get_path("purelib") + "\n")
    launcher = prefix / "bin" / "jfc"
    launcher.write_text(LAUNCHER.format(python=prefix / "bin" / "python"))
    launcher.chmod(0o755)


def _describe(site: Path) -> None:
    """Write the package's metadata, so that it knows its version and finds its entry points."""
    project = configuration()["project"]
    target = site / f"jfcelery-{project['version']}.dist-info"
    target.mkdir()
    (target / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: jfcelery\nVersion: {project['version']}\n"
    )
    groups = {"console_scripts": project["scripts"], **project.get("entry-points", {})}
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (target / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _remove_old(cache: Path) -> None:
    """Remove installations that no test run has used for a day."""
    for folder in cache.glob("env-*"):
        if time.time() - folder.stat().st_mtime > LIFETIME:
            shutil.rmtree(folder, ignore_errors=True)
