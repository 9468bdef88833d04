"""Keep secrets out of what people see: errors, listings, reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What is shown instead of a secret.
MASK = "**********"
#: Names of keys, fields and environment variables whose values are secrets.
SECRET_NAME = re.compile(r"pass|secret|token|credential|(?:private|api)_?key|pkey", re.IGNORECASE)
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
    if value and isinstance(value, str) and SECRET_NAME.search(key):
        return MASK
    return without_login(value) if isinstance(value, str) else value


def without_login(text: str) -> str:
    """Return a text in which user and password of every address are replaced."""
    return _LOGIN.sub(rf"\g<scheme>{MASK}@", text)


def redact(text: str, source: Mapping[str, Any]) -> str:
    """Return a text in which the secrets that stand in some data are replaced."""
    for secret in sorted(secrets_in(source), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return without_login(text)


def secrets_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the secrets in data: what is marked as one, what is called so, logins in addresses.

    Args:
        value: The data: mappings, lists and scalars.
        key: The key under which it stands.
    """
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from secrets_in(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, key)
    elif isinstance(value, str) and value:
        if SECRET_NAME.search(key):
            yield value
        elif "://" in value:
            yield from _of_address(value)


def _of_address(text: str) -> Iterator[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
