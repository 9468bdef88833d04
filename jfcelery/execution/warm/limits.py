"""How long a warm server lives."""

from __future__ import annotations

#: Seconds without a job after which a server ends.
IDLE_SECONDS = 300.0
#: Jobs after which it makes room for a new one.
MAX_JOBS = 1000
#: Seconds between two looks whether its socket is still there.
LOOK_SECONDS = 5.0
