"""The declared dependencies are those that the code has."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.support.tree import configuration, modules

#: Libraries too slow to import before a command needs them.
HEAVY = {
    "bson",
    "celery",
    "fabric",
    "flower",
    "jobflow",
    "kombu",
    "maggma",
    "monty",
    "numpy",
    "paramiko",
    "pymongo",
    "qtoolkit",
    "redis",
    "supervisor",
}
#: Imports that belong to a library of a declared dependency's own, which pins them for us.
COMPANIONS = {
    "kombu": "celery",
    "monty": "jobflow",
    "paramiko": "fabric",
    "pydantic_core": "pydantic",
}


def declared(*extras: str) -> set[NormalizedName]:
    """Return the names of the declared dependencies, those of some extras included."""
    project = configuration()["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_is_declared() -> None:
    """Whatever the package imports belongs to a declared dependency, not to luck."""
    distributions = importlib.metadata.packages_distributions()
    allowed = declared("demo", "embedded", "gui", "image", "notebook", "notify")
    undeclared = set()
    for module in modules():
        for name in module.imports():
            top = name.split(".")[0]
            if top == "jfcelery" or top in sys.stdlib_module_names:
                continue
            owners = {canonicalize_name(owner) for owner in distributions.get(top, [top])}
            owners.add(canonicalize_name(COMPANIONS.get(top, top)))
            if not owners & allowed:
                undeclared.add(f"{module.name}: {top}")
    assert sorted(undeclared) == []


def test_help_imports_nothing_heavy() -> None:
    """`jfc --help` loads none of the libraries that take long to import."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        "from jfcelery.cli.main import main\n"
        "sys.argv = ['jfc', '--help']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    usage, _, loaded = done.stdout.rpartition("LOADED ")
    assert "Usage" in usage
    assert HEAVY & set(loaded.split()) == set()
