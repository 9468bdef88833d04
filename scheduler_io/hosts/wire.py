r"""How a shell script travels to a host as one word, and how its output is told from noise.

The user's login shell may be bash, dash, zsh, fish or tcsh, and each quotes differently: tcsh
expands ``!`` and ends at a newline even between single quotes, fish knows ``\\`` there. So the
line that the login shell sees holds none of these: they are written as ``\0NNN`` and come back
through ``printf %b``, which every POSIX shell has.
"""

from __future__ import annotations

import secrets
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters that some login shell treats specially between single quotes.
_UNSAFE = {char: f"\\0{ord(char):03o}" for char in "'!\\\n\r\t"}

#: Opens every script of our own: messages in English, and zsh globbing and splitting like sh.
PRELUDE = """\
LC_ALL=C; export LC_ALL
if [ -n "${ZSH_VERSION:-}" ]; then setopt nonomatch shwordsplit; fi
"""


def new_token() -> str:
    """Return a word that no rc file prints."""
    return f"jfc-{secrets.token_hex(8)}"


def encode(script: str) -> str:
    """Return a script as one word in single quotes that survives every login shell."""
    return "'" + "".join(_UNSAFE.get(char, char) for char in script) + "'"


def marked(script: str, token: str, env: Mapping[str, str] | None = None) -> str:
    """Return a script that marks where its own output begins and ends.

    Before its output stands the process id of the shell, behind it the exit code: what lacks the
    second is not whole. The subshell keeps an ``exit`` in the script from ending it too early and
    from running the user's ``.bash_logout``, ``eval`` does so for a syntax error.
    """
    exports = "".join(
        f"{name}={shlex.quote(value)}; export {name}\n" for name, value in (env or {}).items()
    )
    return (
        f"jfc_mark() {{ printf '\\n%s %s\\n' {token} \"$1\"; }}\n"
        f"jfc_mark $$ >&2; jfc_mark $$\n(\n{exports}eval {shlex.quote(script)}\n)\n"
        f"jfc_code=$?; jfc_mark $jfc_code >&2; jfc_mark $jfc_code"
    )


def command_line(script: str, *, shell: str = "bash", login: bool = False) -> str:
    """Return the line to hand to the login shell of a host.

    Args:
        script: What to run, in the language of ``shell``.
        shell: The shell to run it, with options if need be.
        login: Whether it reads the user's profile first.
    """
    flags = "-l -c" if login else "-c"
    evaluate = 'jfc_line=$1; shift; eval "$(printf %b "$jfc_line")"'
    return f"{shell} {flags} '{evaluate}' jfcelery {encode(script)}"


def quote_pattern(pattern: str) -> str:
    """Return a glob pattern with everything quoted but ``*``, ``?``, ``[`` and ``]``."""
    return "".join(char if char in "*?[]" else shlex.quote(char) for char in pattern)


def split_at_marker(
    data: bytes | bytearray, token: str, since: int = 0
) -> tuple[bytes, int, bytes] | None:
    """Return what stands before a marker, its number, and what follows; None: it is not there.

    Args:
        data: What arrived.
        token: The marker.
        since: Where to begin to look.
    """
    mark = b"\n" + token.encode() + b" "
    start = data.find(mark, max(0, since))
    end = data.find(b"\n", start + 1)
    if start < 0 or end < 0:
        return None
    return bytes(data[:start]), int(data[start + len(mark) : end]), bytes(data[end + 1 :])
