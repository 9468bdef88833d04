"""The demonstration that ``jfc demo`` runs: a small, real calculation in a throwaway project.

``flow`` holds the jobs; ``project`` makes the project; ``session`` runs the one in the other.
"""

from __future__ import annotations
