"""Who may look at Flower, and where it is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jfcelery.services.record import write_private

if TYPE_CHECKING:
    from pathlib import Path

#: Address on which Flower listens: this machine only.
ADDRESS = "127.0.0.1"
#: Port that Flower takes where it is free.
USUAL_PORT = 5555
#: Random bytes in a generated password.
PASSWORD_BYTES = 24


class FlowerAccess(BaseModel):
    """User, password and port of Flower.

    Args:
        user: Name to log in with.
        password: Its password.
        port: Port on which Flower listened last; 0 before its first start.
    """

    model_config = ConfigDict(frozen=True)

    user: str = "jfcelery"
    password: str = Field(default_factory=lambda: secrets.token_urlsafe(PASSWORD_BYTES), repr=False)
    port: int = 0

    @classmethod
    def of(cls, path: Path) -> FlowerAccess:
        """Return what a file holds; generate it first if it holds nothing that can be used."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            made = cls()
            made.save(path)
            return made

    def with_login(self, login: str) -> FlowerAccess:
        """Return this with another login, ``user:password``; with an empty one, this."""
        user, _, password = login.partition(":")
        return self.model_copy(update={"user": user, "password": password}) if password else self

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner only."""
        write_private(path, self.model_dump_json())

    @property
    def login(self) -> str:
        """What HTTP's basic authentication sends: ``user:password``."""
        return f"{self.user}:{self.password}"

    @property
    def url(self) -> str:
        """The address to open in a browser, with the login in it."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"http://{login}@{ADDRESS}:{self.port}/"

    def ports(self, wanted: int) -> list[int]:
        """Return the ports to try, the best first; 0 stands for any that is free.

        Args:
            wanted: The one port to take, or 0.
        """
        if wanted:
            return [wanted]
        return list(dict.fromkeys([*([self.port] if self.port else []), USUAL_PORT, 0]))
