"""What a job's script runs: the client, ``call.py FOLDER MODULES RUN_DIR``.

It is a file of its own so that Python keeps the client compiled, as it does with any module: to
compile it for each job would take longer than all that it does.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # behind the standard library, which it cannot hide
    sys.path.append(os.path.dirname(__file__))
    os._exit(__import__("client").main(sys.argv[1:]))
