"""A process that takes places in a worker's queue and gives them back, and notes each in a file.

    python -m tests.support.placing PROJECT_FILE NOTES LIMIT NAME COUNT

A place is noted as ``+`` after it was taken, as ``-`` before it is given back: whatever part of the
file is read, no more places are taken in it than were in truth. With a COUNT of 0 it keeps its only
place until it is killed.
"""

from __future__ import annotations

import os
import sys
import time

from jfcelery.database.connection import open_queue
from jfcelery.database.slots import Slots
from jfcelery.project import load_file


def main(project: str, notes: str, limit: str, name: str, count: str) -> None:
    """Take places."""
    slots = Slots(open_queue(load_file(project)), "w")
    out = os.open(notes, os.O_APPEND | os.O_WRONLY)

    def take(job: str) -> None:
        while not slots.acquire([job], int(limit)):
            time.sleep(0.001)
        os.write(out, b"+")

    if not int(count):
        take(name)
        os.write(1, b"held\n")
        time.sleep(600)
    for number in range(int(count)):
        take(f"{name}-{number}")
        os.write(out, b"-")
        slots.release([f"{name}-{number}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
