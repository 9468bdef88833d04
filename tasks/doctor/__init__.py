"""Looking for what is wrong with an installation: findings, each with its remedy."""

from __future__ import annotations

from jfcelery.tasks.doctor.examination import Check, examine
from jfcelery.tasks.doctor.finding import Finding, Level

__all__ = ["Check", "Finding", "Level", "examine"]
