# ruff: noqa: D102, D103, T201  # each is what its name says; printing is what some are about
"""Functions of jobs that misbehave."""

from __future__ import annotations

import ctypes
import gzip
import os
import signal
import sys
from pathlib import Path
from typing import Any

from jobflow import CURRENT_JOB, JobConfig, Response, job

from jfcelery.execution.current import CURRENT_JOBDOC
from tests.support.jobs import add


class Opaque:
    """Knows nothing of serialisation."""


class Stubborn:
    """Cannot be serialised, and cannot even be shown."""

    def as_dict(self) -> dict[str, Any]:
        raise RuntimeError("as_dict of the user's own class")


class UnprintableError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def inverse(x: int) -> float:
    return 1 / x


def endless() -> Any:
    return endless()


def flood(megabytes: int) -> None:
    line = "x" * 1023
    for _ in range(megabytes * 1024):
        print(line)
    for number in range(megabytes * 1024):
        print(f"{number:07} {line}", file=sys.stderr)


@job
def raises(value: int = 0) -> float:
    print("last words on stderr", file=sys.stderr)
    return inverse(value)


@job
def raises_from() -> None:
    try:
        inverse(0)
    except ZeroDivisionError as error:
        raise ValueError("outer") from error


@job
def raises_unprintable() -> None:
    raise UnprintableError


@job
def raises_at_length() -> None:
    raise ValueError("x" * 1_000_000)


@job
def recurses() -> None:
    endless()


@job
def returns_opaque() -> dict[str, Any]:
    return {"good": 1, "bad": [1, {"x": Opaque()}], "generator": (i for i in range(3))}


@job
def returns_stubborn() -> list[Any]:
    return [Stubborn()]


@job
def returns_response_among_others() -> list[Any]:
    return [Response(output=1), 2]


@job
def stores_opaque() -> Response[int]:
    return Response(output=1, stored_data={"key": {"inner": Opaque()}})


@job
def replaces_with_opaque() -> Response[Any]:
    new = add(1, 1)
    new.function_args = (Opaque(),)
    return Response(replace=new)


@job(unknown="key")
def uses_unknown_store() -> dict[str, int]:
    return {"key": 1}


@job
def exits(code: Any = 3) -> None:
    sys.exit(code)


@job
def exits_at_once(code: int = 5) -> None:
    print("going", file=sys.stderr, flush=True)
    os._exit(code)


@job
def is_killed(number: int = signal.SIGKILL) -> None:
    print("before the end", file=sys.stderr, flush=True)
    os.kill(os.getpid(), number)


@job
def crashes() -> None:
    ctypes.string_at(0)


@job
def interrupts() -> None:
    raise KeyboardInterrupt


@job
def floods_and_raises(megabytes: int) -> None:
    flood(megabytes)
    raise ValueError("at last")


@job
def goes_elsewhere(folder: str) -> str:
    os.chdir(folder)
    return str(Path.cwd())


@job
def closes_streams() -> int:
    sys.stdout.close()
    sys.stderr.close()
    return 1


@job
def closes_descriptors() -> int:
    print("not flushed", end="")
    os.close(1)
    os.close(2)
    # The lowest free descriptor: what is printed from now on would end up in this file.
    descriptor = os.open("mine.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"mine")
    os.close(descriptor)
    return descriptor


@job
def replaces_streams() -> None:
    sys.stdout = sys.stderr = None
    raise ValueError("without streams")


@job
def forks() -> int:
    if os.fork() == 0:
        sys.exit(9)
    return os.waitstatus_to_exitcode(os.wait()[1])


@job
def forks_and_returns() -> str:
    if os.fork() == 0:
        return "child"
    os.wait()
    return "parent"


@job
def compresses(fail: bool = False) -> int:
    for path in [p for p in Path.cwd().iterdir() if p.is_file()]:
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()
    if fail:
        print("after all", file=sys.stderr)
        raise ValueError("after compressing")
    return 1


@job
def leaves_results_of_its_own() -> int:
    Path("remote_job_data.json").write_text("[]")
    Path("jfremote_out.json").write_text("{}")
    return 7


@job
def knows_its_document() -> Any:
    document = CURRENT_JOBDOC.job_doc
    assert document is not None
    return document.model_dump()


@job(config=JobConfig(expose_store=True))
def writes_to_store() -> int:
    store = CURRENT_JOB.store
    extra = {"uuid": "extra", "index": 1, "output": {"big": [1, 2]}}
    store.update(extra, save={"data": "big"})
    (found,) = store.query({"output.big.store": "data"}, load=True)
    store.update({"uuid": "gone", "index": 1, "output": 1})
    store.remove_docs({"uuid": "gone"})
    return len(found["output"]["big"])


@job
def writes_much(megabytes: int) -> str:
    return "y" * (megabytes * 1024 * 1024)
