"""Run the job of a folder: ``python -m jfcelery.execution [RUN_DIR]``.

The same as ``jfc execution run``, without the command line that it does not need.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the job of the folder that is named, by default of the working directory."""
    # "python -m" looks for modules in the working directory first; what lies in a run folder is
    # data, and must not shadow a package.
    if sys.path and Path(sys.path[0] or ".").resolve() == Path.cwd():
        del sys.path[0]
    from jfcelery.execution.run import run_job

    return run_job(arguments[0] if arguments else ".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
