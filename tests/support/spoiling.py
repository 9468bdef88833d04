"""Functions of jobs that spoil the process in which they run, and one that looks at it."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import job

from jfcelery import CURRENT_JOBDOC


@job
def looks() -> dict[str, Any]:
    """Return what a process starts with."""
    umask = os.umask(0)
    os.umask(umask)
    doc = CURRENT_JOBDOC.job_doc
    return {
        "argv": sys.argv[1:],
        "cpus": sorted(os.sched_getaffinity(0)),
        "cwd": str(Path.cwd()),
        "environment": dict(os.environ),
        "exec": subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.decode(),
        "files": sorted(str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in _descriptors()),
        "handlers": {int(n): repr(signal.getsignal(n)) for n in signal.valid_signals()},
        "leads": os.getpgid(0) == os.getpid() == os.getsid(0),
        "limits": {n: list(resource.getrlimit(getattr(resource, n))) for n in _limits()},
        "loggers": sorted(n for n, h in logging.root.manager.loggerDict.items() if _handlers(h)),
        "main": str(sys.modules["__main__"].__file__),
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "modules": sorted(name for name in sys.modules if name.startswith("tests.")),
        "path": list(sys.path),
        "pid": os.getpid(),
        "random": [random.random(), float(np.random.random())],  # noqa: NPY002, S311
        "record": None if doc is None else doc.uuid,
        "shown": Path("/proc/self/environ").read_bytes().decode(errors="replace"),
        "stdin": os.fstat(0).st_mode,
        "umask": umask,
    }


def _descriptors() -> list[int]:
    return [fd for fd in range(3, 256) if Path(f"/proc/self/fd/{fd}").exists()]


def _limits() -> list[str]:
    return [name for name in dir(resource) if name.startswith("RLIMIT_")]


def _handlers(logger: object) -> bool:
    return bool(getattr(logger, "handlers", ()))


@job
def spoils() -> int:
    """Change all that a process has, and leave a thread and exit functions behind."""
    os.environ.clear()
    os.environ["SPOILT"] = "1"
    os.chdir("/")
    os.umask(0)
    np.random.seed(1)  # noqa: NPY002 - which may import modules, and so needs the path
    random.seed(1)
    sys.path[:] = []
    sys.argv[:] = ["spoilt"]
    logging.getLogger("jobflow").handlers.clear()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    atexit.register(_boom)
    for name in [name for name in sys.modules if name.startswith("jobflow.")]:
        if name != "jobflow.core.job":
            del sys.modules[name]
    return 1


def _boom() -> None:
    raise RuntimeError("an exit function that fails")


@job
def says_goodbye() -> int:
    """Leave an exit function and a thread, both of which write a file when all is over."""

    def late() -> None:
        time.sleep(0.2)
        Path("thread").touch()

    atexit.register(Path("exit").touch)
    threading.Thread(target=late).start()
    return 1


@job
def has_child(seconds: int) -> int:
    """Start a process and do not wait for it; its number is in the file ``child``."""
    child = subprocess.Popen(["sleep", str(seconds)])
    Path("child.tmp").write_text(str(child.pid))
    Path("child.tmp").rename("child")
    return child.pid


@job
def waits(seconds: int) -> None:
    """Start a process and wait for it; its number is in the file ``child``."""
    child = subprocess.Popen(["sleep", str(seconds)])
    Path("child.tmp").write_text(f"{child.pid} {os.getpid()}")
    Path("child.tmp").rename("child")
    child.wait()


@job
def takes_signals() -> str:
    """Wait for USR1, which it handles; the file ``ready`` says from when on."""
    taken: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: taken.append(number))
    Path("ready").touch()
    while not taken:
        time.sleep(0.01)
    return signal.Signals(taken[0]).name


@job
def takes_memory(megabytes: int) -> int:
    """Take memory."""
    return len(bytearray(megabytes * 2**20))


@job
def imports(module: str) -> int:
    """Return what a module holds."""
    value: int = importlib.import_module(module).VALUE
    return value


@job
def waits_for_file(code: int) -> int:
    """Wait for the file ``go``; then return, or end with a code or by a signal."""
    Path("ready").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    if code < 0:
        os.kill(os.getpid(), -code)
    if code:
        os._exit(code)
    return code


@job
def takes_all_memory() -> None:
    """Take memory until the kernel kills."""
    from tests.support.memory import eat

    eat()
