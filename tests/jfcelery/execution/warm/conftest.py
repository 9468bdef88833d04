"""Launchers of jobs, warm and cold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.launching import Launcher

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["warm", "cold"])
def launcher(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[Launcher]:
    """Starts jobs, in one round of tests warm, in another one cold."""
    folder = Path(tempfile.mkdtemp(prefix="w", dir=session_folder))
    made = Launcher(folder, warm=request.param == "warm")
    yield made
    made.end()


@pytest.fixture
def warmer(session_folder: Path) -> Iterator[Launcher]:
    """Starts jobs warm, with servers of its own."""
    made = Launcher(Path(tempfile.mkdtemp(prefix="w", dir=session_folder)), warm=True)
    yield made
    made.end()
