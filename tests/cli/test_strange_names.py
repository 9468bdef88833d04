"""Names come from other machines, too: what shows them obeys nothing that stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.cli.output import printable
from jfcelery.states import JobState

if TYPE_CHECKING:
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

NAMES = (
    "[red]x[/red]",
    "[/]",
    "[link=http://x]y[/link]",
    "a\x1b[2J\x1b]52;c;AAAA\x07b",
    "a\x9b2Jb",
    "two\nlines",
    "back\rwards",
    "\u202ename",
    "-rf",
    "--help",
    "$(touch x)",
    "`touch x`",
    "'\"",
)
SHOWN = (
    "job list -vv",
    "job info 1 -vv",
    "job why 1 --quick",
    "job history 1",
    "flow list -vv",
    "flow info 1",
    "flow graph 1",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_and_nothing_else(jfc: Jfc, make_flow: MakeFlow, name: str) -> None:
    """No terminal clears its screen or fills a clipboard, no markup counts, and none fails."""
    flow = make_flow({name: []}, name=name, metadata={name: name})
    flow.bring(name, JobState.FAILED)
    for words in SHOWN:
        answer = jfc(*words.split(), columns=200)
        assert answer.status == 0, answer.stderr
        text = answer.stdout + answer.stderr
        assert not set(text) & set("\x1b\x07\r\x9b\u202e"), words
    assert jfc("job", "list", "--json").data[0]["name"] == name
    refused = jfc("job", "pause", "1")
    assert refused.status == 1
    assert not set(refused.stderr) & set("\x1b\x07\r\x9b\u202e")


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain äöü 量子\n\tx", "plain äöü 量子\n\tx"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://x\x1b\\link", "xlink"),
        ("50 %\r100 %", "50 %100 %"),
        ("a\x00b\x1bc\u2066d", "a\ufffdb\ufffdc\ufffdd"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    """Colours and titles are gone, other control characters are seen to be there."""
    assert printable(text) == shown
