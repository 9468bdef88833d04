"""``jfc watch`` in a terminal of 80 by 24."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pyte
import pytest
from rich.console import Console

from jfcelery.cli.watch.session import Session
from jfcelery.cli.watch.terminal import first_key
from jfcelery.database.hosts import HostRecords
from jfcelery.database.jobs import Jobs
from jfcelery.errors import ConnectionLostError
from jfcelery.states import JobState
from tests.support.queued import WAY, Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.controller import JobController
    from jfcelery.project import Project
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState
#: Seconds that the screen may take to show something, on a loaded machine.
PATIENCE = 120.0
#: Jobs of an operation that takes a while.
_MANY = 600


class Terminal:
    """A program in a terminal of 80 by 24, whose screen can be read.

    Args:
        arguments: The program with its arguments.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.screen = pyte.Screen(80, 24)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = os.environ | {"TERM": "xterm", "PYTHONUTF8": "1"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self._poll = select.poll()
        self._poll.register(self._ours, select.POLLIN)

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(self.screen.display)

    def until(self, condition: Callable[[str], bool]) -> str:
        """Wait until the screen shows something, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.text):
            assert time.monotonic() < deadline, f"not shown:\n{self.text}"
            if self._poll.poll(1000):
                try:
                    came = os.read(self._ours, 65536)
                    self.written += came
                    self._stream.feed(came)
                except OSError:  # the program has ended
                    assert condition(self.text), f"ended:\n{self.text}"
        return self.text

    def press(self, keys: str) -> None:
        """Press a key, or several."""
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        """End the program, if it has not ended by itself."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _with(words: str) -> Callable[[str], bool]:
    """Return what tells whether a screen has some words."""
    return lambda text: words in text


@pytest.fixture
def terminal(project: Project) -> Iterator[Terminal]:
    """``jfc watch`` in a terminal."""
    made = Terminal([sys.executable, "-m", "jfcelery.cli.main", "-p", project.name, "watch"])
    yield made
    made.close()


def test_a_person_finds_a_failed_job_and_runs_it_again(
    make_flow: MakeFlow, terminal: Terminal
) -> None:
    """From the list of flows to the jobs of one, an action after a question, and out."""
    flow = make_flow({"good": [], "bad": [], "lost": []}, name="the flow")
    flow.bring("bad", _S.FAILED)
    flow.bring("lost", _S.REMOTE_ERROR)

    terminal.until(lambda text: "the flow" in text and "0/3" in text and "q quit" in text)
    assert "0 jobs, 0 of" in terminal.text
    assert "in its queue, ok" in terminal.text
    terminal.press("\r")
    terminal.until(lambda text: "good" in text and "bad" in text)
    terminal.press("j")
    terminal.press("R")
    terminal.until(lambda text: f"Rerun job {flow.ids['bad']} (bad)? y/n" in text)
    terminal.press("y")
    terminal.until(lambda text: "rerun: 1 job changed" in text)
    assert flow.state("bad") is _S.READY
    # Every other action, each after a yes; what is refused is told, and changes nothing.
    for keys, done, state in (
        ("py", "pause: 1 job changed", _S.PAUSED),
        ("ry", "resume: 1 job changed", _S.READY),
        ("sy", "stop: 1 job changed", _S.USER_STOPPED),
        ("py", "1 refused", _S.USER_STOPPED),
        ("rn", "", _S.USER_STOPPED),
    ):
        for key in keys:
            terminal.press(key)
            if key != keys[-1]:
                terminal.until(lambda text: "? y/n" in text)
        if keys[-1] == "y":
            terminal.until(_with(done))
        else:
            terminal.until(lambda text: "? y/n" not in text)
        assert flow.state("bad") is state, keys
    terminal.press("\x1b[B")  # the next job
    terminal.press("t")
    terminal.until(lambda text: "Retry job" in text and "(lost)? y/n" in text)
    terminal.press("y")
    terminal.until(lambda text: "retry: 1 job changed" in text)
    assert flow.state("lost") is _S.DOWNLOADED
    terminal.press("\x1b")
    terminal.until(lambda text: "Progress" in text)
    terminal.press("q")
    assert terminal.process.wait(timeout=PATIENCE) == 0


def test_an_operation_on_many_jobs_counts_to_its_end(project: Project, make_flow: MakeFlow) -> None:
    """The bar shows how many are done, all of them in the end, and then gives its place back."""
    make_flow({f"j{number}": [] for number in range(_MANY)})
    command = [sys.executable, "-m", "jfcelery.cli.main", "-p", project.name, "job", "pause", "-y"]
    terminal = Terminal(command)
    try:
        text = terminal.until(lambda shown: f"{_MANY} jobs paused" in shown)
    finally:
        terminal.close()
    counts = [int(count) for count in re.findall(rf"(\d+)/{_MANY}\b".encode(), terminal.written)]
    assert counts == sorted(counts)
    assert counts[-1] == _MANY
    assert f"/{_MANY}" not in text


def test_keys_are_told_apart_however_fast_they_come() -> None:
    """Arrows are sequences that begin as Esc does."""
    typed, keys = "j\x1b[AR\x1b\r\x1b[6~y", []
    while typed:
        key, length = first_key(typed)
        keys.append(key)
        typed = typed[length:]
    assert keys == ["j", "up", "R", "escape", "enter", "pagedown", "y"]


def test_the_view_is_printed_once_without_a_terminal(jfc: Jfc, make_flow: MakeFlow) -> None:
    """It fits the width; to go on needs a terminal."""
    flow = make_flow({"a": [], "b": ["a"]}, name="a flow whose name is longer than it has room" * 2)
    flow.bring("a", _S.REMOTE_ERROR)
    answer = jfc("watch", "--once")
    assert answer.status == 0
    assert answer.widest <= 80
    assert "1 RERR" in answer.stdout
    assert "OutputMissingError" in jfc("watch", flow.ids["a"], "--once").stdout
    assert jfc("watch").status == 2


def shown(session: Session) -> list[str]:
    """Return the lines of a terminal of 80 by 24."""
    session.look()
    out = Console(width=80, height=24, file=io.StringIO(), record=True)
    out.print(session.screen(80, 24))
    return [line.rstrip() for line in out.export_text().splitlines()]


def test_what_must_be_read_is_not_cut(controller: JobController) -> None:
    """Names keep their beginnings; of the chosen job the whole reason stands below."""
    names: dict[str, list[str]] = {f"relaxation {n} of a cell": [] for n in range(40)}
    flow = Queued(controller.queue, names, name="flow", worker="a-worker-with-a-long-name")
    bad = flow.bring("relaxation 0 of a cell", _S.FAILED)
    words = "ValueError: the self-consistent field did not converge within 200 iterations; see out"
    Jobs(controller.queue).update(bad, {"error": f"{words}\ntrace", "error_class": "ValueError"})
    HostRecords(controller.queue).failed("local", ConnectionLostError(words))
    lines = shown(Session(controller, flow.flow))
    text = "\n".join(lines)

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    (row,) = (line for line in lines if "FAILED" in line and line.startswith(f"{bad.db_id} "))
    assert " relaxation 0 of a cell " in row
    assert row.endswith(" ValueError")
    assert f"{bad.db_id} relaxation 0 of a cell: {words}" in text.replace("\n", " ")
    assert f"held back: {words}" in text.replace("\n", " ")
    assert lines[0].startswith(f"jfcelery {controller.project.name}  {min(flow.ids.values())} flow")


def test_an_open_flow_tells_of_its_own_jobs(controller: JobController, make_flow: MakeFlow) -> None:
    """Those of other flows are counted where all flows are listed, in as many lines as it takes."""
    make_flow({"other": []})
    states = [state for _, state in WAY] + [_S.COMPLETED, _S.FAILED, _S.REMOTE_ERROR]
    every = make_flow({state.value: [] for state in states} | {"child": ["FAILED"], "READY": []})
    for state in states:
        every.bring(state.value, state)

    inside = "\n".join(shown(Session(controller, every.flow)))
    outside = "\n".join(shown(Session(controller)))

    assert "1 READY" in inside
    assert "2 READY" in outside
    assert [state for state in [*states, _S.WAITING] if f"1 {state}" not in inside] == [], inside


def test_keys_choose_ask_and_act(controller: JobController, make_flow: MakeFlow) -> None:
    """Nothing is done without a yes; a refusal is shown."""
    flows = [make_flow({"a": [], "b": []}) for _ in range(3)]
    session = Session(controller)
    session.look()
    for key, chosen in (("down", 1), ("end", 2), ("down", 2), ("up", 1), ("home", 0)):
        assert not session.press(key)
        assert session.chosen == chosen
    session.press("p")
    assert session.message.startswith("Pause the READY or WAITING jobs of flow")
    assert not session.press("n")
    assert all(flow.state("a") is _S.READY for flow in flows)
    session.press("p")
    assert session.press("y")
    assert session.message == "pause: 2 jobs changed"
    session.press("t")
    session.press("y")
    assert session.message.startswith("No job matches")
    session.press("enter")
    session.look()
    session.press("s")
    session.press("y")
    assert "1 refused" in session.message
    session.press("escape")
    session.press("q")
    assert session.ended
