"""The tree of a project file to be written: keys, values, comments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One key of a project file.

    Args:
        key: The key.
        value: Its value, a scalar, a list or a mapping; ignored for a section.
        comment: What to say about it.
        active: Whether it counts; else it is commented out, or left away in JSON.
        section: The keys below it, None if it has a plain value.
    """

    key: str
    value: Any = None
    comment: str = ""
    active: bool = True
    section: list[Entry] | None = field(default=None)

    def data(self) -> Any:
        """Return the active part as plain data."""
        if self.section is None:
            return self.value
        return {entry.key: entry.data() for entry in self.section if entry.active}
