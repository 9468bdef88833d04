"""The distributions that `build` makes hold the whole package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import LAYERS, TREE, configuration, modules

if TYPE_CHECKING:
    from pathlib import Path

#: What a build needs of the source tree.
SOURCES = ["pyproject.toml", "README.md", "LICENSE", *LAYERS]


def expected_files() -> set[str]:
    """Return the files of the package as they lie in a wheel."""
    found = set()
    for layer, package in LAYERS.items():
        for path in (TREE / layer).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.is_symlink():
                inside = path.relative_to(TREE / layer)
                found.add(f"{package.replace('.', '/')}/{inside.as_posix()}")
    return found


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (TREE / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(TREE / name, source / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(TREE / name, source / name)
    target = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_every_package_is_listed() -> None:
    """The packages that pyproject.toml lists are those of the tree."""
    found = {module.name for module in modules() if module.path.name == "__init__.py"}
    assert set(configuration()["tool"]["setuptools"]["packages"]) == found


def test_every_folder_of_code_is_a_package() -> None:
    """No module lies in a folder without `__init__.py`, where a wheel would forget it."""
    folders = {module.path.parent for module in modules()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_wheel_holds_the_whole_package(distributions: Path) -> None:
    """The wheel, built from the sdist, holds every file of the package and nothing else."""
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == expected_files()


def test_sdist_holds_what_a_build_needs(distributions: Path) -> None:
    """The sdist holds the build configuration, the licence and the text for the index."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_wheel_works_alone(distributions: Path, tmp_path: Path) -> None:
    """The wheel, unpacked far from the tree, starts the command line and every layer."""
    (path,) = distributions.glob("*.whl")
    shutil.unpack_archive(path, tmp_path, "zip")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import jfcelery.tasks, jfcelery.scheduler_io\n"
        "from jfcelery.cli import main\n"
        "assert main.__file__.startswith(sys.path[0]), main.__file__\n"
        "main.main()\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path), "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert configuration()["project"]["version"] in done.stdout
