"""Run the pilot of a folder: ``python -m jfcelery.execution.pilot RUN_DIR``.

The same as ``jfc execution run-batch``, for the very Python that asks for it.
"""

from __future__ import annotations

import sys

from jfcelery.execution.pilot.pilot import run_pilot

if __name__ == "__main__":
    sys.exit(run_pilot(sys.argv[1]))
