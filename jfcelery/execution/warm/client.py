"""Run the job of a folder warm if that can be, else cold.

``FOLDER`` is where the project's warm servers have their sockets, ``MODULES`` are those to preload,
with commas between, or ``-``. It is run through ``call`` by ``python -I -S`` and imports nothing of
any package, and of the standard library only what is written in C: it starts in some 15 ms.

It hands its streams, environment, umask and signals over to the server that has imported what it
would itself import, starts one if there is none, and ends as the job ends. Whatever is wrong with a
server, it becomes a cold job, unless the job has begun.
"""

from __future__ import annotations

import _socket
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

#: What the module ``signal`` is made of, without its enums.
_signal: Any = __import__("_signal")

#: Servers that a project may have at once on one machine; each takes some 80 MB.
MAX_SERVERS = 3
#: How many environments are remembered that ask for a server beside the first.
SEEN = 64
#: Bytes of the server's log after which it begins anew.
LOG_BYTES = 1_000_000
#: Seconds to wait for another client that is starting the server.
LOCK_SECONDS = 20.0
#: Seconds between two looks at a job whose server is dead.
LOOK_SECONDS = 0.2
#: Variables that differ from job to job and mean nothing to what is imported.
VOLATILE = frozenset({b"JFC_QUEUE_ID", b"_", b"SHLVL", b"PWD", b"OLDPWD", b"RANDOM", b"STY"})
#: Room for a job's id in what the system shows as a process's environment, in bytes.
ID_ROOM = 200
#: Signals that are passed on: HUP, INT, QUIT, USR1, USR2, ALRM, TERM, CONT, TSTP, XCPU, WINCH.
FORWARDED = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP", "XCPU", "WINCH")

#: What a folder's mode must be, apart from its owner's rights.
_FORBIDDEN, _FOLDER = 0o170077, 0o040000


class ColdError(Exception):
    """Raised when the job cannot be run warm."""


def main(arguments: list[str]) -> int:
    """Run the job; return its exit code, or do not return at all."""
    folder, modules, run_dir = arguments
    client = Client(folder, modules, run_dir)
    try:
        code = client.run()
    except Exception as error:  # a job must never fail for what should speed it up
        _note(folder, f"cold: {error!r}: {run_dir}")
        if client.pid:  # but it must not run twice either
            _kill(client.pid, _signal.SIGKILL)
            raise
        run_cold(run_dir)
    return code


def run_cold(run_dir: str) -> NoReturn:
    """Become the process that runs the job without a server."""
    for name in ("SIGPIPE", "SIGXFSZ"):  # which this Python ignores, as any
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "jfcelery.execution", run_dir])  # noqa: S606


class Client:
    """One job, from here to the server and back.

    Args:
        folder: Where the sockets are.
        modules: The modules to preload.
        run_dir: The run folder.
    """

    def __init__(self, folder: str, modules: str, run_dir: str) -> None:
        self.folder, self.modules, self.run_dir = folder, modules, os.path.abspath(run_dir)
        self.pid = 0
        self.code = ""

    def run(self) -> int:
        """Run the job; return its exit code.

        Raises:
            ColdError: It has not begun, and shall be run without a server.
        """
        key = self._key()
        answer = ""
        for _ in range(2):  # a server may retire just now
            self.reading, writing = os.pipe()
            self.server = self._connect(key)
            self._send(writing)
            os.close(writing)
            answer = self._listen()
            if self.pid or answer != "retired":
                break
        if not self.pid:
            raise ColdError(answer)
        if not answer:  # the server is dead; the job is not
            answer = self._watch()
        return _end_as(answer)

    def _key(self) -> str:
        """Return what decides which server is the right one: all that a cold start would see."""
        import _blake2
        import resource

        if sys.platform != "linux":
            raise ColdError("forking is safe on Linux only")
        paths = os.environ.get("PYTHONPATH")
        if paths and any(not part.startswith("/") for part in paths.split(":")):
            raise ColdError("PYTHONPATH depends on the working directory")
        limits = [resource.getrlimit(number) for number in range(16)]
        spaces = sorted(
            os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")
        )
        with open("/proc/self/cgroup", "rb") as file:
            group = file.read()
        ids = (os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getpriority(0, 0))
        what = (
            (sys.executable, sys.version, __file__, self.modules, sorted(environment().items())),
            (limits, spaces, group, ids, sorted(os.sched_getaffinity(0))),
            os.readlink("/proc/self/root"),
        )
        return str(_blake2.blake2b(repr(what).encode(), digest_size=8).hexdigest())

    def _connect(self, key: str) -> _socket.socket:
        check_folder(self.folder)
        path = f"{self.folder}/{key}"
        server = _call(path)
        if server is not None:
            return server
        import fcntl
        import time

        lock = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ColdError("another client is starting a server") from None
                time.sleep(0.02)
        try:
            if _call(path) is None:
                self._allow(key)
                self._start(path)
        finally:
            os.close(lock)
        server = _call(path)
        if server is None:
            raise ColdError("the server does not listen")
        return server

    def _allow(self, key: str) -> None:
        """Say whether a server may be started: not one for each job, nor too many at once."""
        others = 0
        for name in os.listdir(self.folder):
            if len(name) == len(key) and name != key:
                other = _call(f"{self.folder}/{name}")
                if other is None:
                    os.unlink(f"{self.folder}/{name}")  # of one that was killed
                else:
                    other.close()
                    others += 1
        if not others:
            return
        seen = _read(f"{self.folder}/seen").split()
        if key not in seen:
            with open(f"{self.folder}/seen", "w", encoding="ascii") as file:
                file.write("\n".join([*seen, key][-SEEN:]))
            raise ColdError("another environment than before; a second such job starts a server")
        if others >= MAX_SERVERS:
            raise ColdError(f"{others} servers run already")

    def _start(self, path: str) -> None:
        """Start a server that listens at a path already, and belongs to nobody."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(128)
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                if os.fork() == 0:
                    self._become_server(listener.fileno(), path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        listener.close()

    def _become_server(self, listener: int, path: str) -> None:
        import fcntl

        os.chdir("/")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        log = os.open(f"{self.folder}/log", flags, 0o600)
        if os.fstat(log).st_size > LOG_BYTES:
            os.ftruncate(log, 0)
        null = os.open(os.devnull, os.O_RDONLY)
        given = (null, log, log, listener)
        for number, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in given]):
            os.dup2(fd, number)
        os.closerange(4, 4096)
        for number in range(1, _signal.NSIG):
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):
                pass
        shown = {**environment(), b"JFC_QUEUE_ID": b" " * ID_ROOM}
        command = [sys.executable, "-m", "jfcelery.execution.warm.server", path, self.modules]
        os.execve(sys.executable, command, shown)  # noqa: S606

    def _send(self, writing: int) -> None:
        """Hand everything over: the descriptors first, with the length of what follows."""
        umask = os.umask(0o77)
        os.umask(umask)
        order = marshal.dumps((self.run_dir, dict(os.environb), umask, _ignored()))
        fds = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2, writing))
        try:
            ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)]
            self.server.sendmsg([b"run %10d\n" % len(order)], ancillary)
            self.server.sendall(order)
        except ConnectionError:
            pass  # it retires, or is dead: `_listen` sees which

    def _listen(self) -> str:
        """Return what the server says of the end; empty if it died."""
        import select

        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        poll.register(self.server.fileno(), select.POLLIN)
        said = b""
        while True:
            for fd, _ in poll.poll():
                if fd == self.reading:
                    if not self._read_report():
                        poll.unregister(fd)
                    continue
                try:
                    more = self.server.recv(256)
                except ConnectionError:
                    more = b""
                said += more
                if not more or said.endswith(b"\n"):
                    self._finish_report(is_alive=bool(more))
                    return said.decode().strip() if more else "" if self.pid else "retired"

    def _read_report(self) -> bool:
        """Read what the job's own process says; return whether it may say more."""
        data = os.read(self.reading, 4096)
        for line in data.decode(errors="replace").splitlines():
            if line.startswith("!"):
                raise ColdError(line)
            if line.startswith("+"):
                self.pid = int(line[1:])
                self._forward()
            else:
                self.code = line
        return bool(data)

    def _finish_report(self, *, is_alive: bool) -> None:
        """Read the rest; if the server is dead, wait until it is sure whether a job has begun."""
        while not is_alive and not self.pid and self._read_report():
            pass
        os.set_blocking(self.reading, False)
        try:
            while self._read_report():
                pass
        except BlockingIOError:
            pass

    def _forward(self) -> None:
        """From now on pass signals on to the job."""

        def forward(number: int, _frame: object) -> None:
            try:
                self.server.sendall(b"%d\n" % number)
            except OSError:
                _kill(self.pid, number)

        for number in _numbers():
            if _signal.getsignal(number) != _signal.SIG_IGN:
                _signal.signal(number, forward)

    def _watch(self) -> str:
        """Wait for the end of a job whose server is dead, as its parent is not there to tell."""
        import time

        self.server.close()  # so that signals go to the job
        while _runs(self.pid):
            time.sleep(LOOK_SECONDS)
        self._finish_report(is_alive=True)
        return f"exit {self.code}" if self.code else "signal 9"


def environment() -> dict[bytes, bytes]:
    """Return the environment without what differs from job to job."""
    return {
        name: value
        for name, value in os.environb.items()
        if name not in VOLATILE and not name.startswith(b"SUPERVISOR_")
    }


def check_folder(folder: str) -> None:
    """Make the folder of the sockets; refuse one that others may enter.

    Raises:
        ColdError: It is not ours alone.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if found.st_uid != os.geteuid() or found.st_mode & _FORBIDDEN != _FOLDER:
        raise ColdError(f"{folder} is not a folder that only you may enter")


def _call(path: str) -> _socket.socket | None:
    caller = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        caller.connect(path)
    except (ConnectionRefusedError, FileNotFoundError):
        caller.close()
        return None
    return caller


def _numbers() -> list[int]:
    return [getattr(_signal, f"SIG{name}") for name in FORWARDED]


def _ignored() -> list[int]:
    """Return the signals that are ignored, but for those that Python ignores by itself."""
    own = (_signal.SIGPIPE, _signal.SIGXFSZ)
    numbers = [n for n in range(1, _signal.NSIG) if n not in own]
    return [n for n in numbers if _signal.getsignal(n) == _signal.SIG_IGN]


def _kill(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        pass


def _runs(pid: int) -> bool:
    text = _read(f"/proc/{pid}/stat")
    return bool(text) and text.rpartition(")")[2].split()[0] not in "ZX"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _end_as(answer: str) -> int:
    """End as the job ended: by the same signal, or with the exit code that is returned."""
    how, number = answer.split()
    if how == "exit":
        return int(number)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the job's own dump is enough
    try:
        _signal.signal(int(number), _signal.SIG_DFL)
    except OSError:
        pass  # KILL and STOP
    os.kill(os.getpid(), int(number))
    return 128 + int(number)


def _note(folder: str, text: str) -> None:
    try:
        with open(f"{folder}/log", "a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        pass


if __name__ == "__main__":  # as scripts have it that were written before an upgrade
    os._exit(main(sys.argv[1:]))
