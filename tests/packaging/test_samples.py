"""What the documents tell people to type or write: it exists, and means what they say."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import pytest
from ruamel.yaml import YAML

from jfcelery.cli.main import jfc
from jfcelery.project.loading import load_text
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Documents for users, by their place in the tree.
PAGES = sorted(
    str(path.relative_to(TREE))
    for folder in (TREE, TREE / "docs", TREE / "compose", TREE / "tests/testbed")
    for path in folder.glob("*.md")
)
#: A block of code: its language and its text.
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: A word or so within a line that is a command of ours.
_INLINE = re.compile(r"`(jfc [^`\n]+)`")
#: What ends a command within a line of shell.
_ENDS = {"&&", "||", "|", ";", ">", "2>&1", "&", "…", "...", ")"}
#: Where the options of a project are read as if they stood in this file.
SAMPLE = TREE / "sample.yaml"


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a language in a page."""
    text = (TREE / page).read_text()
    return [found[2] for found in _BLOCK.finditer(text) if found[1] == language]


def commands(page: str) -> Iterator[list[str]]:
    """Yield the words behind each ``jfc`` of a page."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    lines += [found[1] for found in _INLINE.finditer((TREE / page).read_text())]
    for line in lines:
        words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
        for at, word in enumerate(words):
            if word.rpartition("/")[2] == "jfc":
                rest = words[at + 1 :]
                end = next((n for n, one in enumerate(rest) if one in _ENDS), len(rest))
                yield rest[:end]


def parse(words: list[str]) -> None:
    """Read a command line without running anything.

    Raises:
        click.UsageError: There is no such command or option.
    """
    command: click.Command = jfc
    context = click.Context(command, info_name="jfc")
    rest = command.make_parser(context).parse_args(list(words))[1]
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        if found is None:
            message = f"No such command {rest[0]}"
            raise click.UsageError(message)
        command = found
        context = click.Context(command, context, rest[0])
        rest = command.make_parser(context).parse_args(rest[1:])[1]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists(page: str) -> None:
    """Each ``jfc …`` of a page is a command, and its options are that command's."""
    wrong = []
    for words in commands(page):
        try:
            parse(words)
        except click.UsageError as error:
            wrong.append(f"jfc {shlex.join(words)}: {error.format_message()}")
    assert wrong == []


def test_a_wrong_command_is_seen() -> None:
    """The check above can fail: for a command and for an option that do not exist."""
    for words in (["job", "frobnicate"], ["job", "list", "--no-such-option"]):
        with pytest.raises(click.UsageError, match=r"No such (command|option)"):
            parse(words)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")])
def test_every_project_file_is_one(page: str) -> None:
    """Each block of YAML of a page is a project, or becomes one with a name and a worker."""
    for text in blocks(page, "yaml"):
        data: dict[str, Any] = YAML(typ="safe").load(text)
        head = "" if "name" in data else "name: sample\n"
        if "workers" not in data:
            head += "workers: {here: {type: local, scheduler_type: shell, work_dir: /work}}\n"
        assert load_text(_plain(head + text), SAMPLE).workers


def _plain(text: str) -> str:
    """Put a value where the text refers to an environment or a file that is not here."""
    text = re.sub(r"\$\{\w+\}", "value", text)
    return re.sub(r"file:\S*url\S*", "redis://localhost", re.sub(r"file:(?!\S*url)\S+", "v", text))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_every_name_can_be_imported(page: str) -> None:
    """Each block of Python of a page compiles, and what it imports from jfcelery exists."""
    for text in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jfcelery"):
                module = importlib.import_module(str(node.module))
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_linked_exists(page: str) -> None:
    """A relative link of a page leads to something."""
    here: Path = (TREE / page).parent
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (TREE / page).read_text())
    assert [link for link in links if not (here / link).exists()] == []


def _anchors(path: Path) -> set[str]:
    """Return what a link into a page may name: its headings as GitHub writes them, and labels."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_that_is_linked_exists(page: str) -> None:
    """A link into a page, its own or another, leads to one of its headings or to a label."""
    path: Path = TREE / page
    labels = {label for each in PAGES for label in _anchors(TREE / each)}
    wrong = []
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", path.read_text()):
        if anchor not in (_anchors(path.parent / target) if target else labels):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_says_a_thing_under_two_headings(page: str) -> None:
    """A heading stands once in a page: what belongs together is together."""
    text = re.sub(r"^```.*?^```", "", (TREE / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^## +(.*?) *$", text, re.MULTILINE)
    assert sorted(heads) == sorted(set(heads))


#: Schemes of addresses that are no links.
_OTHERS = ("redis", "rediss", "redis+socket", "mongodb", "mailtos", "jsons")


def _is_link(address: str) -> bool:
    """Return whether an address of the web is whole: https (or this machine), and a host."""
    parts = urlsplit(address)
    if parts.hostname in {"127.0.0.1", "localhost"}:
        return parts.scheme in {"http", "https"}
    return parts.scheme == "https" and "." in (parts.hostname or "") and address[-1] not in ".,;:"


@pytest.mark.parametrize("page", PAGES)
def test_every_address_is_one(page: str) -> None:
    """No link of a page leads to a cut-off address, or to an unprotected one."""
    text = re.sub(r"`[^`\n]*`", "", (TREE / page).read_text())
    found = re.findall(r"\b[a-z+]+://[^\s)>\"'|]+", text)
    assert [a for a in found if not _is_link(a) and urlsplit(a).scheme not in _OTHERS] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_a_placeholder(page: str) -> None:
    """A page says something, and promises nothing for later."""
    text = (TREE / page).read_text()
    assert re.findall(r"\b(?:TODO|TBD|FIXME|XXX|lorem ipsum|coming soon)\b", text) == []
    directive = re.search(r"^```\{(include|[a-z]+-reference)\}", text, re.MULTILINE)
    assert directive or len(text.split()) > 60
