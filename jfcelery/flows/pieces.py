"""Many entries in a file: in compressed pieces, each of which is small enough to be unpacked.

The file comes from a worker's host. Whatever that sends, what it unpacks to has bounds; what is not
compressed is as large as the file itself.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from jfcelery.database.chunks import chunks
from jfcelery.database.packed import Spool
from jfcelery.flows.entry import JobEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Entries that a file holds one by one; of more, so many are compressed together.
PIECE = 200
#: Bytes of JSON that a piece may hold; a single entry that has more is not compressed.
PIECE_BYTES = 16 * 1024 * 1024
#: Bytes of text that all entries may hold but for their payloads, which do not stay in memory.
KEPT_BYTES = 512 * 1024 * 1024

#: Without its own configuration the outermost type would write NaN as null.
_ENTRIES = TypeAdapter(list[JobEntry], config=ConfigDict(ser_json_inf_nan="constants"))


def packed(jobs: Sequence[JobEntry]) -> list[Any]:
    """Return entries for a file: of many, pieces that are compressed."""
    if len(jobs) <= PIECE:
        return list(_ENTRIES.dump_python(list(jobs), mode="json"))
    return [part for piece in chunks(jobs, PIECE) for part in _parts(piece)]


def _parts(jobs: list[JobEntry]) -> Iterator[Any]:
    """Yield jobs as one piece; as several if that were too large, or as they are."""
    text = _ENTRIES.dump_json(jobs)
    if len(text) <= PIECE_BYTES:
        yield b64encode(zlib.compress(text)).decode()
    elif len(jobs) == 1:
        yield from _ENTRIES.dump_python(jobs, mode="json")
    else:
        middle = len(jobs) // 2
        yield from _parts(jobs[:middle])
        yield from _parts(jobs[middle:])


def unpacked(value: Any) -> Any:
    """Return the entries of a file, of which only a piece at a time is in memory as text.

    Raises:
        PydanticCustomError: A piece is damaged, or it is more than may be.
    """
    if not isinstance(value, list) or not any(isinstance(part, str) for part in value):
        return value
    spool, found, kept = Spool(), list[Any](), 0
    for part in value:
        if not isinstance(part, str):
            found.append(part)  # checked as any other entry, by whoever asked
            continue
        for entry in _entries(part):
            kept += _size(entry)
            if kept > KEPT_BYTES:
                raise PydanticCustomError(
                    "much", "more than {most} bytes of names and data", {"most": KEPT_BYTES}
                )
            object.__setattr__(entry, "payload", spool.keep(entry.payload))
            found.append(entry)
    return found


def _entries(piece: str) -> list[JobEntry]:
    """Return the entries of a piece."""
    try:
        return _ENTRIES.validate_json(_inflate(b64decode(piece)))
    except ValidationError as error:
        where, said = first_of(error)
        raise PydanticCustomError("entry", "{at}: {said}", {"at": where, "said": said}) from None
    except PydanticCustomError:
        raise
    except (ValueError, zlib.error):
        raise PydanticCustomError("damaged", "a piece of it is damaged") from None


def _inflate(data: bytes) -> bytes:
    """Return what was compressed, if it is not more than a piece may hold."""
    machine = zlib.decompressobj()
    text = machine.decompress(data, PIECE_BYTES + 1)
    if len(text) > PIECE_BYTES:
        said = "a piece of it is of more than {most} bytes"
        raise PydanticCustomError("large", said, {"most": PIECE_BYTES})
    if not machine.eof:
        raise zlib.error
    return text


def _size(entry: JobEntry) -> int:
    """Return how many characters an entry has, but for its payload."""
    lists = [entry.hosts, entry.stores, entry.parents]
    if entry.references is not entry.parents:
        lists.append(entry.references)
    others = (entry.name, entry.function, entry.metadata, entry.exec_config, entry.resources)
    return len(repr((lists, others, entry.worker)))


def first_of(error: ValidationError) -> tuple[str, str]:
    """Return where the first of some errors is, and what it says."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]
