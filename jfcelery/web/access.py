"""Who may enter: tokens for programs, passwords, links for one login, sessions."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jfcelery.services.record import write_private

if TYPE_CHECKING:
    from pathlib import Path

#: ``full`` sees and acts, ``read`` only sees.
Role = Literal["full", "read"]
#: Random bytes in tokens, keys and names of sessions.
SECRET_BYTES = 32
#: Seconds without a request after which a session ends.
SESSION_SECONDS = 12 * 3600.0
#: Seconds in which a link for one login must be used.
LINK_SECONDS = 3600.0


def _secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


class Tokens(BaseModel):
    """The tokens of a project, kept in a file of its owner.

    Args:
        token: Lets see and act.
        read_token: Lets see only.
    """

    model_config = ConfigDict(frozen=True)

    token: str = Field(default_factory=_secret, repr=False, min_length=20)
    read_token: str = Field(default_factory=_secret, repr=False, min_length=20)

    @classmethod
    def of(cls, path: Path) -> Tokens:
        """Return what a file holds; generate it first if it holds nothing that can be used."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            made = cls()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, made.model_dump_json())
            return made


@dataclass
class Session:
    """A person who is logged in with a browser.

    Args:
        role: What the person may do.
        csrf: What a request that changes something must carry besides the cookie.
        used: When the last request came (monotonic, in seconds).
        closed: Whether it was ended; a page that is still open may do nothing then.
    """

    role: Role
    csrf: str = field(default_factory=_secret, repr=False)
    used: float = field(default_factory=time.monotonic)
    closed: bool = False


class Access:
    """Everything that opens the door.

    Args:
        tokens: For programs; also accepted in the login form.
        passwords: Further secrets for the login form, and what each lets do.
    """

    def __init__(self, tokens: Tokens, passwords: dict[str, Role] | None = None) -> None:
        self._bearers: dict[str, Role] = {tokens.token: "full", tokens.read_token: "read"}
        self._passwords: dict[str, Role] = self._bearers | (passwords or {})
        self._links: dict[str, float] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def new_link(self) -> str:
        """Return a key for one login with all rights."""
        key = _secret()
        with self._lock:
            self._links[key] = time.monotonic() + LINK_SECONDS
        return key

    def by_link(self, key: str) -> str | None:
        """Return the name of a new session for a key, which is used up; None for a wrong one."""
        with self._lock:
            over = self._links.pop(key, 0.0)
        return self._open("full") if over > time.monotonic() else None

    def by_password(self, given: str) -> str | None:
        """Return the name of a new session for a password or token; None for a wrong one."""
        role = _find(self._passwords, given)
        return self._open(role) if role else None

    def by_token(self, given: str) -> Role | None:
        """Return what a token lets do; None for a wrong one."""
        return _find(self._bearers, given)

    def session(self, name: str) -> Session | None:
        """Return a session that has not ended."""
        now = time.monotonic()
        with self._lock:
            found = self._sessions.get(name)
            if found is None or now - found.used > SESSION_SECONDS:
                self._sessions.pop(name, None)
                return None
            found.used = now
            return found

    def close(self, name: str) -> None:
        """End a session."""
        with self._lock:
            found = self._sessions.pop(name, None)
        if found is not None:
            found.closed = True

    def _open(self, role: Role) -> str:
        name = _secret()
        with self._lock:
            self._sessions[name] = Session(role)
        return name


def _find(known: dict[str, Role], given: str) -> Role | None:
    """Look a secret up without telling by the time it takes how much of it is right."""
    sent, found = given.encode(), None
    for secret, role in known.items():
        if hmac.compare_digest(secret.encode(), sent):
            found = role
    return found
