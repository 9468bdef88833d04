"""Generated secrets of the embedded services."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Self

from jfcelery.errors import ServiceStartError
from jfcelery.services.record import write_private

if TYPE_CHECKING:
    from pathlib import Path

#: Random bytes in a generated password.
PASSWORD_BYTES = 32


@dataclass(frozen=True)
class Credentials:
    """User and password of one embedded service.

    Args:
        path: The file, readable by its owner only.
        user: Name of the user.
        password: Its password; URL-safe.
        known: Whether the service has been told about the user.
    """

    path: Path
    user: str
    password: str = field(repr=False)
    known: bool = False

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return what the file holds; generate it first if there is no file.

        Call it for a missing file under the service's lock only.
        """
        try:
            return cls(path, **json.loads(path.read_text()))
        except FileNotFoundError:
            import secrets  # costs 30 ms

            made = cls(path, "jfcelery", secrets.token_urlsafe(PASSWORD_BYTES))
            made.save()
            return made
        except (OSError, ValueError, TypeError) as error:
            raise ServiceStartError(
                f"Cannot read {path}: {error}",
                remedy="Remove the file, and a new password is set at the next start.",
            ) from error

    def save(self, *, known: bool | None = None) -> None:
        """Write the file, with ``known`` changed if given."""
        new = self if known is None else replace(self, known=known)
        fields = asdict(new)
        del fields["path"]
        write_private(self.path, json.dumps(fields))
