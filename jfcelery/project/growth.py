"""More wall time and memory for a job, in the keys that its scheduler's template has.

Slurm, https://slurm.schedmd.com/sbatch.html: ``--mem`` is in megabytes unless it has a unit. PBS,
pbs_resources(7B): ``mem`` within ``select`` is in bytes unless it has a unit. Grid Engine,
sge_types(1): ``h_vmem`` alike. For wall time see ``walltime``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ResourcesError
from jfcelery.project.recovery import bytes_of, seconds_of
from jfcelery.project.walltime import TIME_KEYS, clock, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jfcelery.project.recovery import RecoveryRule

#: Keys of memory in qtoolkit's templates, and the bytes that a plain number means.
MEMORY_KEYS = {"mem": 1024**2, "mem_per_cpu": 1024**2}
#: The key in which PBS and Grid Engine have memory among other things.
SELECT = "select"
_IN_SELECT = re.compile(r"\b((?:\w*mem|mem_free|virtual_free)=)(\d+(?:\.\d+)?\w*)", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt]?)(b?)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def grown(resources: Mapping[str, Any], rule: RecoveryRule) -> tuple[dict[str, Any], list[str]]:
    """Return resources with the wall time and memory that a rule gives.

    Args:
        resources: Keys of the template.
        rule: What it gives.

    Returns:
        The new resources, and what changed in words.

    Raises:
        ResourcesError: There is nothing to multiply, or a ceiling is reached.
    """
    new, words = dict(resources), []
    if rule.time_factor:
        words += _grow_time(new, rule.time_factor, rule.time_ceiling)
    if rule.memory_factor:
        words += _grow_memory(new, rule.memory_factor, rule.memory_ceiling)
    return new, words


def _grow_time(new: dict[str, Any], factor: float, ceiling: str | None) -> list[str]:
    most = seconds_of(ceiling) if ceiling else math.inf
    words = []
    for key in (key for key in TIME_KEYS if new.get(key) is not None):
        old, had = new[key], seconds(new[key], TIME_KEYS[key])
        if had >= most:
            raise ResourcesError(f"its {key} ({old}) has reached the ceiling of {ceiling}")
        new[key] = clock(min(math.ceil(had * factor), int(min(most, 1e12))))
        words.append(f"{key} {old} -> {new[key]}")
    if not words:
        raise ResourcesError("it has no wall time in its resources that could be multiplied")
    return words


def _grow_memory(new: dict[str, Any], factor: float, ceiling: str | None) -> list[str]:
    most = bytes_of(ceiling) if ceiling else math.inf
    words: list[str] = []

    def more(key: str, old: str, unit: int, bare: Callable[[int], str]) -> str:
        had, suffix = _size(old, unit)
        if had >= most:
            raise ResourcesError(f"its {key} ({old}) has reached the ceiling of {ceiling}")
        wanted = int(min(math.ceil(had * factor), most))
        value = f"{math.ceil(wanted / 1024**2)}{suffix}" if suffix else bare(wanted)
        words.append(f"{key} {old} -> {value}")
        return value

    for key in (key for key in MEMORY_KEYS if new.get(key) is not None):
        unit = MEMORY_KEYS[key]
        new[key] = more(key, str(new[key]), unit, lambda wanted: f"{math.ceil(wanted / 1024**2)}M")
    if isinstance(new.get(SELECT), str):
        new[SELECT] = _IN_SELECT.sub(
            lambda found: found[1] + more(found[1].rstrip("="), found[2], 1, str), new[SELECT]
        )
    if not words:
        raise ResourcesError("it has no memory in its resources that could be multiplied")
    return words


def _size(text: str, unit: int) -> tuple[float, str]:
    """Return bytes, and the suffix of megabytes in the way that this was written; none if bare."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ResourcesError(f"its memory {text!r} cannot be read")
    number, letter, byte = found.groups()
    if not letter:
        return float(number) * (1 if byte else unit), "mb" if byte else ""
    suffix = ("m" if letter.islower() else "M") + byte
    return float(number) * 1024 ** _POWERS[letter.lower()], suffix
