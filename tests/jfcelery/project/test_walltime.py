"""Wall times as schedulers' templates have them."""

from __future__ import annotations

from typing import Any

import pytest
from qtoolkit.core.data_objects import QResources

from jfcelery.errors import ResourcesError
from jfcelery.project.walltime import clock, wall_time


@pytest.mark.parametrize(
    "resources, seconds",
    [
        ({"time": "01:30:00"}, 5400),
        ({"time": 90}, 5400),  # Slurm's minutes
        ({"time": "1-12"}, 129_600),
        ({"time": "10:30"}, 630),
        ({"walltime": 5400}, 5400),
        ({"walltime": "5400", "soft_walltime": "5000"}, 5400),
        ({"soft_walltime": "00:10:00"}, 600),
        ({"time": "UNLIMITED"}, None),
        ({"time": 0}, None),
        ({"time": "00:00:00"}, None),
        ({"walltime": 0}, 0),
        ({"nodes": 2, "time": None}, None),
        (QResources(processes=2, time_limit=77), 77),
        (QResources(processes=2, time_limit=77).as_dict(), 77),
        (QResources(processes=2), None),
        ({}, None),
        (None, None),
    ],
)
def test_the_wall_time_is_read_as_schedulers_do(resources: Any, seconds: int | None) -> None:
    """In the units of each key; None where there is no limit."""
    assert wall_time(resources) == seconds


def test_a_wall_time_that_cannot_be_read_is_told() -> None:
    """With what was given."""
    with pytest.raises(ResourcesError, match="'four hours' cannot be read"):
        wall_time({"time": "four hours"})


def test_seconds_are_written_so_that_they_are_read_again() -> None:
    """Hours may be more than a day."""
    assert clock(93_784) == "26:03:04"
    assert wall_time({"walltime": clock(93_784)}) == 93_784
