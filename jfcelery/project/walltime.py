"""The wall time in resources: the keys of each scheduler's template, and how it is written there.

Slurm, https://slurm.schedmd.com/sbatch.html: ``--time`` is in minutes unless it has colons. PBS,
pbs_resources(7B): ``walltime`` is in seconds unless it has colons. Grid Engine, sge_types(1):
``h_rt`` and ``s_rt`` alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ResourcesError
from jfcelery.project.qresources import qresources_of

if TYPE_CHECKING:
    from qtoolkit.core.data_objects import QResources

#: Keys of wall time in qtoolkit's templates, and the seconds that a plain number there means.
TIME_KEYS = {"time": 60, "walltime": 1, "soft_walltime": 1}
#: What Slurm takes for no limit at all.
_ENDLESS = frozenset({"infinite", "unlimited", "-1"})
#: Keys at which zero means that as well.
_ZERO_IS_ENDLESS = frozenset({"time"})


def wall_time(resources: Mapping[str, Any] | QResources | None) -> int | None:
    """Return the wall time that resources ask for, in seconds; None if they set no limit.

    Raises:
        ResourcesError: It cannot be read.
    """
    if (objects := qresources_of(resources)) is not None:
        return int(objects.time_limit) if objects.time_limit else None
    plain = resources if isinstance(resources, Mapping) else {}
    given = {key: value for key, value in plain.items() if value is not None}
    for key, unit in TIME_KEYS.items():
        if key in given and str(given[key]).strip().lower() not in _ENDLESS:
            number = seconds(given[key], unit)
            return None if key in _ZERO_IS_ENDLESS and number == 0 else number
    return None


def seconds(value: object, unit: int) -> int:
    """Return a wall time in seconds; parts without colons count in the unit (or hours of days).

    Raises:
        ResourcesError: It cannot be read.
    """
    days, dash, rest = str(value).strip().rpartition("-")
    parts = rest.split(":")
    try:
        numbers = [int(part) for part in parts]
        whole = int(days) * 86_400 if dash else 0
    except ValueError:
        raise ResourcesError(f"its wall time {value!r} cannot be read") from None
    if dash:  # days-hours[:minutes[:seconds]]
        sizes = [3600, 60, 1]
    elif len(numbers) == 1:
        sizes = [unit]
    else:  # [hours:]minutes:seconds
        sizes = [3600, 60, 1][-len(numbers) :]
    if len(numbers) > len(sizes):
        raise ResourcesError(f"its wall time {value!r} cannot be read")
    return whole + sum(n * size for n, size in zip(numbers, sizes, strict=False))


def clock(number: int) -> str:
    """Return seconds in the way that all schedulers read: ``HOURS:MINUTES:SECONDS``."""
    return f"{number // 3600}:{number % 3600 // 60:02}:{number % 60:02}"
