"""A module that leaves a trace when it is imported, for files of workers to name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_TEXT = """
from pathlib import Path
Path({canary!r}).touch()

def evil(*_args, **_kwargs):
    return Evil()

class Evil:
    @classmethod
    def from_dict(cls, _):
        return cls()
"""


def planted_module(folder: Path, patch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """Plant a module that this process, and all that it starts, can import.

    Returns:
        Its name, and the file that is there once it was imported.
    """
    name, place = f"jfct_evil_{uuid4().hex[:8]}", folder / "planted"
    place.mkdir()
    canary = folder / "imported"
    (place / f"{name}.py").write_text(_TEXT.format(canary=str(canary)))
    patch.syspath_prepend(str(place))
    before = os.environ.get("PYTHONPATH")
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(place), before))))
    return name, canary
