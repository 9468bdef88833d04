"""Logging in by OpenSSH with a person who is not at its terminal: questions go through a socket."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from jfcelery.questions import Question
from jfcelery.scheduler_io.hosts import askpass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.questions import Ask

#: Seconds that a login may take with all its questions; servers themselves wait two minutes.
LOGIN_TIMEOUT = 300.0
#: Seconds between two looks whether ssh still runs.
LOOK_INTERVAL = 0.1
#: Bytes at the end of what ssh wrote that are told.
TOLD = 2000


def run_asking(argv: Sequence[str], ask: Ask, *, sockets: Path, folder: Path) -> tuple[int, str]:
    """Run ssh until it has logged in or given up.

    Args:
        argv: The command; it goes to the background once it is logged in.
        ask: Asks the person.
        sockets: Folder of the user's own for a socket, with a short path.
        folder: Folder on a disk from which programs may be started.

    Returns:
        The exit code, and the end of what ssh said.

    Raises:
        OSError: ssh cannot be started.
    """
    with (
        tempfile.TemporaryDirectory(prefix="login-", dir=folder) as place,
        tempfile.TemporaryFile() as said,
        _listening(sockets) as (listener, path),
    ):
        process = subprocess.Popen(
            argv,
            env=_environment(Path(place), path),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # without our terminal, older versions of ssh ask as well
        )
        ends = time.monotonic() + LOGIN_TIMEOUT
        try:
            _answer_all(process, listener, ask, said, ends)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.wait(), _end(said)


@contextlib.contextmanager
def _listening(folder: Path) -> Iterator[tuple[socket.socket, Path]]:
    path = folder / f"ask-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        try:
            listener.listen()
            listener.settimeout(LOOK_INTERVAL)
            yield listener, path
        finally:
            path.unlink(missing_ok=True)


def _environment(place: Path, path: Path) -> dict[str, str]:
    """Return the environment in which ssh asks our program."""
    program = place / "askpass"
    words = [sys.executable, "-I", "-S", str(Path(askpass.__file__).resolve())]
    # Not named in a first line: paths of Pythons are often longer than such a line may be.
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o700)
    ours = {
        "SSH_ASKPASS": str(program),
        "SSH_ASKPASS_REQUIRE": "force",
        askpass.VARIABLE: str(path),
    }
    # Versions before 8.4 ask a program only where there seems to be a screen.
    return {"DISPLAY": ":0", **os.environ, **ours}


def _answer_all(
    process: subprocess.Popen[bytes],
    listener: socket.socket,
    ask: Ask,
    said: IO[bytes],
    ends: float,
) -> None:
    """Have questions answered until ssh ends, a person gives up, or the time is over."""

    def alive() -> bool:
        return process.poll() is None and time.monotonic() < ends

    while alive():
        try:
            asker, _ = listener.accept()
        except TimeoutError:
            continue
        with asker:
            asker.settimeout(LOOK_INTERVAL * 100)
            if not (line := asker.makefile().readline()):
                continue  # ssh has ended it before it asked
            question = _question(line, _end(said))
            answer = ask(question, alive)
            if answer is None:
                return
            with contextlib.suppress(OSError):  # ssh has given up meanwhile
                asker.sendall(json.dumps(answer).encode() + b"\n")


def _question(line: str, said: str) -> Question:
    asked = json.loads(line)
    text, hint = str(asked["text"]).strip(), asked["hint"]
    return Question(
        text=text,
        said=said,
        secret=hint != "confirm" and "(yes/no" not in text,
        wants_answer=hint != "none",
    )


def _end(said: IO[bytes]) -> str:
    """Return the end of what was written, without moving the place where ssh writes on."""
    size = os.fstat(said.fileno()).st_size
    end = os.pread(said.fileno(), TOLD, max(0, size - TOLD))
    return end.decode(errors="replace").replace("\r", "").strip()
