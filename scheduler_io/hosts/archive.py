"""Files as a tar stream, each with its checksum, in flat memory."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from jfcelery.errors import InputError, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The last member of a stream that we send: ``sha256sum -c`` reads it, then it is removed.
SUMS = ".jfc_sums"
#: Bytes moved at once.
BLOCK = 64 * 1024


class Sink:
    """The writing half of a file, for tarfile: hands all bytes on.

    Args:
        send: Takes the bytes; False once nobody reads any more.
    """

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        #: Whether the other side stopped reading.
        self.closed_early = False

    def write(self, data: bytes) -> int:
        """Hand bytes on."""
        if not self.closed_early and not self._send(bytes(data)):
            self.closed_early = True
            raise BrokenPipeError
        return len(data)


class Source:
    """The reading half of a file, for tarfile: exact reads from a stream of pieces.

    Args:
        receive: Returns the next piece; b"" at the end.
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        while len(self._rest) < size and (piece := self._receive()):
            self._rest += piece
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data

    def readline(self) -> bytes:
        """Return the next line with its end."""
        while b"\n" not in self._rest and (piece := self._receive()):
            self._rest += piece
        cut = self._rest.find(b"\n") + 1 or len(self._rest)
        return self.read(cut)


class _Hashing:
    """A file that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.hash = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        return data


def check_name(name: str) -> str:
    """Return a file's name if it may stand in a run folder.

    Raises:
        InputError: It is absolute, leads out of the folder or holds a control character.
    """
    path = PurePosixPath(name)
    if (
        not name
        or path.is_absolute()
        or {"..", "."} & set(name.split("/"))
        or not name.isprintable()
    ):
        raise InputError(f"{name!r} cannot be the name of a file in a run folder")
    return name


def pack(files: Mapping[str, bytes | Path], sink: Sink) -> None:
    """Write files and, as the last member, their checksums into a sink.

    Raises:
        TransferError: A file of ours changed while it was read.
        BrokenPipeError: The other side stopped reading.
    """
    sums = []
    stream = cast("IO[bytes]", sink)
    kind = tarfile.PAX_FORMAT
    with tarfile.open(fileobj=stream, mode="w|", format=kind, bufsize=BLOCK) as tar:
        for name, content in files.items():
            sums.append(f"{_add(tar, check_name(name), content)}  {name}\n")
        _add(tar, SUMS, "".join(sums).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> str:
    info = tarfile.TarInfo(name)
    info.mtime = int(time.time())
    info.mode = 0o644
    if isinstance(content, bytes):
        return _add_stream(tar, info, io.BytesIO(content), len(content))
    with content.open("rb") as stream:
        status = os.fstat(stream.fileno())
        info.mode = 0o755 if status.st_mode & 0o100 else 0o644
        return _add_stream(tar, info, stream, status.st_size)


def _add_stream(tar: tarfile.TarFile, info: tarfile.TarInfo, stream: IO[bytes], size: int) -> str:
    info.size = size
    hashing = _Hashing(stream)
    try:
        tar.addfile(info, cast("IO[bytes]", hashing))
    except BrokenPipeError:
        raise
    except OSError as exc:  # tarfile: "unexpected end of data"
        raise TransferError(f"{info.name} changed while it was sent: {exc}") from exc
    return hashing.hash.hexdigest()


def read_sums(source: Source) -> dict[str, str]:
    """Read the lines ``sha256  name`` up to an empty one; a name may lack its sum (``-``).

    GNU's sha256sum begins a line with a backslash where it wrote one in the name as two.
    """
    sums = {}
    while (line := source.readline().decode(errors="surrogateescape")) not in {"\n", ""}:
        digest, _, name = line.rstrip("\n").partition("  ")
        if digest.startswith("\\"):
            digest, name = digest[1:], name.replace("\\\\", "\\")
        sums[name] = digest
    return sums


def unpack(source: Source, sums: Mapping[str, str], into: Path) -> Iterator[str]:
    """Write the files of a tar stream into a folder and check them; yield their names.

    Raises:
        TransferError: The stream is cut or damaged, or a checksum differs.
    """
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = _content(tar, member, into) if name in sums else None
                if content is None:
                    raise TransferError(f"the stream holds {name!r}, which was not asked for")
                with content:
                    digest = _store(content, into / check_name(name))
                if digest != sums[name] != "-":
                    raise TransferError(f"the checksum of {name} differs")
                yield name
    except (tarfile.TarError, EOFError) as exc:
        raise TransferError(f"the stream is damaged: {exc}") from exc


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> IO[bytes] | None:
    """Return what a file of the stream holds; None if it is no file."""
    if member.islnk():  # a second name of a file that came before
        first = into / check_name(member.linkname.removeprefix("./"))
        return first.open("rb") if first.is_file() else None
    return tar.extractfile(member) if member.isreg() else None


def _store(content: IO[bytes], path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        while block := content.read(BLOCK):
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def move_in(arriving: Path, into: Path, names: Sequence[str]) -> None:
    """Put what arrived in place: at once if nothing is there, else file by file."""
    if not into.exists() and names:
        arriving.rename(into)
        return
    into.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (arriving / name).replace(target)
