"""Addresses with a login in them: whether all would read them alike.

A password with a character that ends the login makes an address mean something else: a part of the
password is taken for the host, say, and shown as such.
"""

from __future__ import annotations

import re

_HOST = r"(?:[^\s/?#@:,\[\]]+|\[[0-9A-Fa-f:.%]+\])(?::\d+)?"
_ADDRESS = re.compile(
    rf"[a-z][a-z0-9+.-]*://(?:[^\s/?#@\[\]]*@)?(?:{_HOST}(?:,{_HOST})*)?(?:[/?#][^\s@]*)?"
)
#: What to write instead of an address that cannot be read.
REMEDY = (
    "login, host and port cannot be told apart; write '@', ':', '/', '?', '#', '%', '[' and ']' "
    "of a password as %40, %3A, %2F, %3F, %23, %25, %5B, %5D"
)


def is_plain_address(text: str) -> bool:
    """Return whether login, hosts, ports and path of an address can be told apart."""
    return _ADDRESS.fullmatch(text) is not None
