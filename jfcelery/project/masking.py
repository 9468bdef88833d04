"""Keep secrets out of what people see: errors, listings, reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What is shown instead of a secret.
MASK = "**********"
#: Keys whose values are secrets.
_SECRET_KEY = re.compile(r"pass|secret|token|credential|private_?key|pkey", re.IGNORECASE)
#: Keys whose values are secrets or may hold one.
_HIDDEN_KEY = re.compile(rf"{_SECRET_KEY.pattern}|(^|_)ur[il]s?$", re.IGNORECASE)
#: Login inside an address: scheme://user:password@host.
_LOGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/@\s]*@", re.IGNORECASE)


def masked(value: Any, *, key: str = "") -> Any:
    """Return a copy of JSON-like data in which secrets are replaced.

    Args:
        value: The data: mappings, lists and scalars.
        key: The key under which it stands.
    """
    if isinstance(value, dict):
        return {name: masked(item, key=str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, key=key) for item in value]
    if value and isinstance(value, str) and _SECRET_KEY.search(key):
        return MASK
    return without_login(value) if isinstance(value, str) else value


def without_login(text: str) -> str:
    """Return a text in which user and password of every address are replaced."""
    return _LOGIN.sub(rf"\g<scheme>{MASK}@", text)


def redact(text: str, source: Mapping[str, Any]) -> str:
    """Return a text in which the secrets that stand in some data are replaced."""
    for secret in sorted(_secrets(source), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return without_login(text)


def _secrets(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, key)
    elif value and isinstance(value, str) and _HIDDEN_KEY.search(key):
        yield value
