"""A nursery in a process of its own, which can fork safely; driven by lines of JSON.

Run it: ``python -m tests.support.nursery MODULE…``, the modules to preload.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from jfcelery.errors import NurseryError
from jfcelery.execution.warm.nursery import Child, Nursery, Order
from jfcelery.folders import RunFolder

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Served:
    """The children of a nursery, by their pids."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._children: dict[int, Child] = {}

    def start(self, folder: str, environment: dict[str, str] | None = None, **given: Any) -> int:
        """Start the job of a folder; return its pid."""
        names = (os.devnull, *(f"{folder}/{n}" for n in (RunFolder.QUEUE_OUT, RunFolder.QUEUE_ERR)))
        streams = [os.open(name, os.O_RDWR if name == os.devnull else _FLAGS) for name in names]
        report = os.open(f"{folder}/report", _FLAGS)
        wanted = os.environ if environment is None else environment
        order = Order(
            folder=Path(folder),
            environment={os.fsencode(k): os.fsencode(v) for k, v in wanted.items()},
            streams=(streams[0], streams[1], streams[2]),
            report=report,
            umask=given.get("umask"),
            cpus=frozenset(given["cpus"]) if "cpus" in given else None,
            limits={int(k): (v[0], v[1]) for k, v in given.get("limits", {}).items()},
            ignored=frozenset(given.get("ignored", ())),
        )
        try:
            child = self._nursery.start(order)
        finally:
            for fd in (*streams, report):
                os.close(fd)
        self._children[child.pid] = child
        return child.pid

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        """Wait for a child's end; return its exit code."""
        return self._children[pid].wait(timeout)

    def poll(self, pid: int, *, end_group: bool = False) -> int | None:
        """Return a child's exit code, if it has ended."""
        return self._children[pid].poll(end_group=end_group)

    def send(self, pid: int, number: int) -> None:
        """Send a signal to a child's group."""
        self._children[pid].send(number)

    def end(self) -> None:
        """Kill all children."""
        for child in self._children.values():
            child.kill()
            child.wait()


def main() -> None:
    """Answer requests ``[method, arguments, options]`` from stdin, one a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    served = None
    for line in sys.stdin:
        method, arguments, options = json.loads(line)
        try:
            if served is None:
                nursery = Nursery(sys.argv[1:])
                nursery.prepare()
                served = Served(nursery)
            answer = {"value": getattr(served, method)(*arguments, **options)}
        except NurseryError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)
    if served is not None:
        served.end()


if __name__ == "__main__":
    main()
