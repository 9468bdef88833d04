"""Fixtures of the tests on real clusters."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.lab import Lab, lab_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import Cluster


@pytest.fixture
def lab(testbed: Cluster, session_folder: Path, home: Path) -> Iterator[Lab]:
    """Relays and SSH servers that only this test uses, so that its faults are only its own."""
    with lab_of(testbed, Path(tempfile.mkdtemp(prefix="l", dir=session_folder)), home) as lab:
        yield lab
