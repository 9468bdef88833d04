"""What PBS Professional and Torque printed on real clusters; the sources are in ``data/qstat``."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtoolkit.io.pbs import PBSIO

from jfcelery.scheduler_io.schedulers.base import EndReason, Output, QueueState
from jfcelery.scheduler_io.schedulers.pbs import Pbs

PBS = Pbs(PBSIO())
FOLDER = Path(__file__).with_name("data") / "qstat"

#: Of each file, how its jobs are, or ended, and with which exit code and signal.
EXPECTED: dict[str, dict[str, QueueState | tuple[EndReason, int | None, int | None]]] = {
    "torque-4.2.txt": {
        "522083.barnacle.ucsd.edu": (EndReason.TIMEOUT, None, None),
        "522081.barnacle.ucsd.edu": (EndReason.COMPLETED, 0, None),
        "522059.barnacle.ucsd.edu": QueueState.RUNNING,
        "515916.barnacle.ucsd.edu": QueueState.QUEUED,
    },
    "torque-5.txt": {
        "549159": QueueState.HELD,
        "543984": (EndReason.UNKNOWN, None, 15),  # who sent the signal, nothing says
    },
    "torque-6.txt": {"48[1].torque01.bcgsc.ca": (EndReason.UNKNOWN, None, 15)},
    "pbs-pro-2013.txt": {
        "68350.mycluster": QueueState.QUEUED,
        "69302.mycluster": QueueState.HELD,
        "74164.mycluster": QueueState.RUNNING,
    },
    "pbs-pro-2020.txt": {"49223.gc-prd-hpcadm": (EndReason.TIMEOUT, None, 15)},
    "pbs-pro-2023.txt": {"4686875.kman.restech.unsw.edu.au": (EndReason.COMPLETED, 0, None)},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_listings_of_real_clusters_are_read(name: str) -> None:
    """Each job has the state, or the end, that it had; in a poll and in the accounting."""
    output = Output(0, (FOLDER / name).read_text())
    rows = PBS.parse_list(output).rows
    found = {
        key: (row.end.reason, row.end.exit_code, row.end.signal) if row.end else row.state
        for key, row in rows.items()
    }
    assert found == EXPECTED[name]
    assert PBS.parse_accounting(output).keys() == {key for key in rows if rows[key].end}


def test_long_values_and_foreign_lines_are_read() -> None:
    """A comment goes on in the next line; what a variable holds is no field."""
    words = {
        key: row.words
        for name in EXPECTED
        for key, row in PBS.parse_list(Output(0, (FOLDER / name).read_text())).rows.items()
    }
    assert words["49223.gc-prd-hpcadm"] == (
        "F (Job run at Wed Jun 24 at 15:33 on (gc-prd-hpcn001:ncpus=1) and failed)"
    )
    assert words["48[1].torque01.bcgsc.ca"].endswith(
        "deleted because its dependency of array 43[].torque01.bcgsc.ca can never be satisfied)"
    )
    assert words["68350.mycluster"] == "Q (Not Running: Node is in an ineligible state: offline)"


def test_every_file_is_read() -> None:
    """None lies there for nothing."""
    assert {path.name for path in FOLDER.glob("*.txt")} == EXPECTED.keys()
