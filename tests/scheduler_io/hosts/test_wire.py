"""Scripts on their way through login shells."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jfcelery.scheduler_io.hosts.wire import (
    command_line,
    encode,
    marked,
    new_token,
    quote_pattern,
    split_at_marker,
)

#: Shells of this machine in which a user may be logged in.
LOGIN_SHELLS = [
    name for name in ("bash", "dash", "sh", "tcsh", "zsh", "fish") if shutil.which(name)
]

ODD = (
    'it\'s "quoted" `date` $HOME \\n %s %% !! !bang\nnew line\ttab ; # * ? [a] {b} ~ \u00e4 \\0041'
)


@pytest.mark.parametrize("login_shell", LOGIN_SHELLS)
def test_script_through_a_login_shell(login_shell: str) -> None:
    """Every login shell hands the script on as it is."""
    line = command_line(f"printf '%s' {shlex.quote(ODD)}", shell="sh")  # noqa: S604 - a name
    done = subprocess.run([login_shell, "-c", line], capture_output=True, check=False)
    assert (done.stdout.decode(), done.stderr) == (ODD, b"")


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
@settings(max_examples=60, deadline=None)
def test_any_text_survives(text: str) -> None:
    """Whatever stands in a script comes back from printf."""
    argv = ["sh", "-c", f"printf %b {encode(text)}"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout.decode() == text


def test_long_script() -> None:
    """A long script is no problem."""
    script = "printf %s " + "x" * 60_000
    done = subprocess.run(["sh", "-c", command_line(script)], capture_output=True, check=True)
    assert len(done.stdout) == 60_000


@pytest.mark.parametrize("shell", [name for name in LOGIN_SHELLS if name in {"bash", "dash", "sh"}])
def test_markers(shell: str) -> None:
    """Output stands between two markers, even where the script ends the shell."""
    token = new_token()
    script = marked("echo out; echo err >&2; exit 7", token, {"WORD": "a b"})
    done = subprocess.run([shell, "-c", script], capture_output=True, check=False)
    for stream, said in ((done.stdout, b"out\n"), (done.stderr, b"err\n")):
        begin = split_at_marker(stream, token)
        assert begin is not None
        assert split_at_marker(begin[2], token) == (said, 7, b"")


def test_environment() -> None:
    """Variables are exported to the script alone, whatever they hold."""
    script = marked("printf '%s' \"$ODD\"", "t", {"ODD": ODD})
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert ODD in done.stdout.decode()


def test_incomplete_marker() -> None:
    """A marker that has not arrived whole is none yet."""
    assert split_at_marker(b"noise\ntoken 12", "token") is None
    assert split_at_marker(b"noise\ntoken 12\nrest", "token") == (b"noise", 12, b"rest")


def test_patterns() -> None:
    """In a glob pattern only the glob characters mean something to the shell."""
    assert quote_pattern("a*.json") == "a*.json"
    script = f"for name in {quote_pattern('x; $(y) [ab]?*')}; do printf '%s' \"$name\"; done"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout == b"x; $(y) [ab]?*"
