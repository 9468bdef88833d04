"""What a release consists of, beside the code: its files agree with each other."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.tree import TREE, configuration

VERSION = str(configuration()["project"]["version"])
TEMPLATES = sorted((TREE / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(path: str) -> Any:
    """Return the content of a YAML file."""
    return YAML(typ="safe").load(TREE / path)


def test_the_version_is_a_semantic_one_and_the_same_everywhere() -> None:
    """Package, citation, images and the newest entry of the changelog."""
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", VERSION)
    assert str(read("CITATION.cff")["version"]) == VERSION
    changelog = re.findall(r"^## (\S+)", (TREE / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changelog[0] == VERSION
    files = [TREE / "compose/compose.yml", *(TREE / "compose/kubernetes").glob("*.yaml")]
    text = "".join(path.read_text() for path in files)
    tags = set(re.findall(r"image: \S*jfcelery[\w-]*:(\S+)", text))
    assert tags == {VERSION}


def test_the_citation_is_one() -> None:
    """With what its format requires, and the licence of the package."""
    found = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert found["license"] == configuration()["project"]["license"]
    assert found["repository-code"] == configuration()["project"]["urls"]["Source"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_templates_are_forms(path: Any) -> None:
    """GitHub shows them: each field has an id of its own and a label, one at least is required."""
    form = YAML(typ="safe").load(path)
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) > 0
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_files_that_a_project_should_have_are_there() -> None:
    """Each says something; a developer's commands are whole."""
    for name in ("CONTRIBUTING.md", ".github/CODE_OF_CONDUCT.md", ".github/SECURITY.md", "LICENSE"):
        assert len((TREE / name).read_text().split()) > 100, name
    told = (TREE / "CONTRIBUTING.md").read_text()
    for command in ("pip install -e", "pytest", "ruff check", "mypy && ", "sphinx-build"):
        assert command in told
    assert len(TEMPLATES) >= 3
