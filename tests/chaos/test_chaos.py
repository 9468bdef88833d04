"""The short form of the chaos suite; ``run.py`` has the long one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.plan import FAULTS, plan
from tests.chaos.run import chaos
from tests.conftest import missing
from tests.support.cluster import ClusterMissingError, own_installed_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import Cluster

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(1500)]

#: Which plan; any other must do as well.
SEED = 7
#: Jobs at least, seconds in which faults begin, and seconds between two of them.
JOBS, SECONDS, EVERY = 20, 32.0, 32.0 / len(FAULTS)


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A testbed that nobody else uses."""
    try:
        with own_installed_cluster("chaos") as found:
            yield found
    except ClusterMissingError as why:
        missing(why)


def test_nothing_is_lost_or_done_twice(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault of every kind an observer finds everything as it must be."""
    folder = Path(tempfile.mkdtemp(prefix="jfc-chaos-", dir="/tmp"))
    monkeypatch.setenv("HOME", str(folder / "home"))
    report = chaos(own, folder, plan(SEED, JOBS, SECONDS, EVERY))
    told = "\n".join([*report.events, str(report.figures), f"logs: {folder}"])
    assert report.wrong == [], told
    assert not [line for line in report.events if "could not be done" in line], told
    assert report.figures["looks at the leases"], told
    assert report.figures["by kind"] == dict.fromkeys(sorted(FAULTS), 1), told
    shutil.rmtree(folder)
