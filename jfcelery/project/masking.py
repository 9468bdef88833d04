"""Keep secrets out of what people see: errors, listings, reports, logs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: What is shown instead of a secret.
MASK = "**********"
#: Secrets that are shorter stand in too many words to be replaced everywhere.
SHORTEST = 4
#: Values of switches, which may stand under such a name (``TOKENIZERS_PARALLELISM=false``): no
#: secrets, but in every other text.
SWITCHES = frozenset({"true", "false", "none", "null", "auto", "default"})
_WORDS = "pass|secret|token|credential|(?:private|api)_?key|pkey"
#: Names of keys, fields and environment variables whose values are secrets.
SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
#: Schemes of databases: whatever stands before the last @ is a login, encoded or not.
_DATABASES = r"(?:mongodb(?:\+srv)?|rediss?|redis\+socket)"
#: What may be an address of one: a login in it is looked for in one pass, because a text may be
#: long, and come from a worker's host.
_DATABASE = re.compile(rf"(?P<scheme>\b{_DATABASES}://)(?P<rest>[^\s\"'<>|]*)", re.IGNORECASE)
#: Login inside any other address, scheme://user:password@host.
_LOGIN = re.compile(rf"(?<=[a-z0-9+.-])://(?!{re.escape(MASK)}@)[^/\s]*@", re.IGNORECASE)
#: What may be a secret behind an address: ?password=...
_QUERY = re.compile(r"(?P<name>[?&][\w.-]+=)[^&#\s\"']+")


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
    if "://" not in text:
        return text
    found = _LOGIN.sub(f"://{MASK}@", _DATABASE.sub(_masked_login, text))
    return _QUERY.sub(_masked_query, found)


def _masked_login(address: re.Match[str]) -> str:
    _, at, host = address["rest"].rpartition("@")
    return f"{address['scheme']}{MASK}@{host}" if at else address[0]


def _masked_query(given: re.Match[str]) -> str:
    name = given["name"]
    return f"{name}{MASK}" if SECRET_NAME.search(name) else given[0]


class Redactor:
    """Replaces known secrets, and logins of all addresses, in texts.

    Args:
        secrets: What must not be seen.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        long = {secret for secret in secrets if len(secret) >= SHORTEST}
        known = {secret for secret in long if secret.lower() not in SWITCHES}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return without_login(text)


def redact(text: str, source: Mapping[str, Any]) -> str:
    """Return a text in which the secrets that stand in some data are replaced."""
    return Redactor(secrets_in(source))(text)


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
    scheme, _, rest = text.partition("://")
    if not re.fullmatch(_DATABASES, scheme):
        rest = rest.partition("/")[0]
    password = rest.rpartition("@")[0].partition(":")[2]
    yield from filter(None, (password, unquote(password)))
    for name, secret in parse_qsl(text.partition("?")[2]):
        if SECRET_NAME.search(name):
            yield secret
