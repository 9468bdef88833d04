"""What a forked child does: it becomes what a process started anew would be, and runs its job."""

from __future__ import annotations

import atexit
import importlib
import io
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.execution.warm.nursery import Order

#: Exit code of a child that cannot become what it was ordered to be (EX_OSERR of sysexits.h).
NOT_BORN = 71
#: Variable by which a shell host knows the processes of a job.
QUEUE_ID = b"JFC_QUEUE_ID"

_MAIN = "jfcelery.execution.__main__"
#: Signals that Python ignores from its start.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
#: Fields of /proc/PID/stat, counted after the name: where the words of the program's start begin
#: and end in memory, and those of its environment.
_WORDS = (45, 46, 47, 48)


def live(order: Order, keep: frozenset[int]) -> NoReturn:
    """Become the child, run the job, and end; never return.

    Args:
        order: What to become.
        keep: Descriptors that stay open, beside the streams.
    """
    code = NOT_BORN
    try:
        try:
            _become(order, keep)
        except Exception as error:  # noqa: BLE001  # whoever waits is told, and starts it cold
            _report(order, f"!{error!r}")
            os._exit(NOT_BORN)
        _report(order, f"+{os.getpid()}")
        code = _end_of_interpreter(_run(order))
        _report(order, str(code))
    finally:
        os._exit(code)


def _become(order: Order, keep: frozenset[int]) -> None:
    os.setsid()
    _take_streams(order.streams)
    _close_all_but(keep | {0, 1, 2})
    if order.report is not None:
        os.set_inheritable(order.report, False)  # noqa: FBT003  # it takes no names
    _reset_signals(order.ignored)
    if order.umask is not None:
        os.umask(order.umask)
    if order.cpus is not None and order.cpus != os.sched_getaffinity(0):
        os.sched_setaffinity(0, order.cpus)
    for kind, pair in order.limits.items():
        if resource.getrlimit(kind) != pair:
            resource.setrlimit(kind, pair)
    _take_environment(order.environment)
    with suppress(OSError, ValueError, IndexError):
        _show(order)
    os.chdir(order.folder)
    _renew_interpreter(order)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take_streams(streams: tuple[int, int, int]) -> None:
    # First out of the way: the numbers 0 to 2 may be among those that are still to be copied.
    copies = [os.dup(fd) for fd in streams]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def _close_all_but(keep: frozenset[int]) -> None:
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) not in keep:
            with suppress(OSError):
                os.close(int(path.name))


def _reset_signals(ignored: frozenset[int]) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        is_ignored = number in ignored or number in _IGNORED_BY_PYTHON
        signal.signal(number, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    if signal.SIGINT not in ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_environment(environment: Mapping[bytes, bytes]) -> None:
    zone = os.environb.get(b"TZ")
    for name in [name for name in os.environb if name not in environment]:
        del os.environb[name]
    for name, value in environment.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
    if os.environb.get(b"TZ") != zone:
        time.tzset()


def _show(order: Order) -> None:
    """Let the system show folder and id of the job as if the process had been started with them.

    ``/proc/PID/cmdline`` and ``environ`` show the words of the program's start. There is room for
    the id if the parent was started with a long enough value.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end, env_start, env_end = (int(fields[number]) for number in _WORDS)
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        name = f"jfcelery job {order.folder}".encode()[: end - start - 1]
        memory.seek(start)
        memory.write(name.ljust(end - start, b"\0"))
        memory.seek(env_start)
        block = memory.read(env_end - env_start)
        place = (b"\0" + block).find(b"\0" + QUEUE_ID + b"=")
        if place < 0:
            return
        place += len(QUEUE_ID) + 1
        room = block.index(b"\0", place) - place
        value = order.environment.get(QUEUE_ID, b"")
        if len(value) <= room:
            memory.seek(env_start + place)
            memory.write(value.ljust(room, b"\0"))


def _renew_interpreter(order: Order) -> None:
    """Make of the copied interpreter what ``python -m jfcelery.execution FOLDER`` starts with."""
    main = importlib.import_module(_MAIN)
    sys.modules["__main__"] = main
    sys.argv[:] = [str(main.__file__), str(order.folder)]
    importlib.invalidate_caches()  # a module may have been written a moment ago
    random.seed()
    if numbers := sys.modules.get("numpy.random"):
        numbers.seed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.reconfigure(line_buffering=True)


def _run(order: Order) -> int:
    """Run the job; return the exit code that Python would end with."""
    from jfcelery.execution.run import run_job

    try:
        return run_job(order.folder, order.attempt)
    except SystemExit as error:
        return _code_of(error)
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001  # as the interpreter itself does
        traceback.print_exc()
        return 1


def _code_of(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  # as the interpreter itself does
    return 1


def _end_of_interpreter(code: int) -> int:
    """Do what Python does at its end: wait for threads, call the exit functions, flush."""
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # has no public name
    with suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001  # has no public name
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    return code


def _report(order: Order, text: str) -> None:
    if order.report is not None:
        with suppress(OSError):
            os.write(order.report, f"{text}\n".encode(errors="replace"))
