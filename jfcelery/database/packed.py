"""A serialised job in memory: compressed, since a flow may have a hundred thousand of them."""

from __future__ import annotations

import json
import threading
import weakref
import zlib
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

#: Compression: level 3 costs a third of the time of level 6 for 5 % more bytes.
LEVEL = 3


#: Bytes that a spool keeps in memory; beyond, it is a file without a name.
IN_MEMORY = 4_000_000
#: Bytes before each content of a spool, which give its length.
_HEAD = 4


class Spool:
    """Keeps serialised jobs out of memory until each is written to the queue."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed as the last job goes
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._end = 0

    def keep(self, job: Packed) -> Packed:
        """Return a job whose content is here."""
        content = job.packed
        with self._lock:
            place = self._end
            self._file.seek(place)
            self._file.write(len(content).to_bytes(_HEAD, "big") + content)
            self._end += _HEAD + len(content)
        return Packed(place, self)

    def read(self, place: int) -> bytes:
        """Return the content at a place."""
        with self._lock:
            self._file.seek(place)
            return self._file.read(int.from_bytes(self._file.read(_HEAD), "big"))


class Packed:
    """A serialised job; to pydantic it is the dict that it was made of.

    Args:
        content: Its JSON, compressed, as the queue keeps it; or its place in a spool.
        spool: The spool.
    """

    __slots__ = ("_content", "_spool")

    def __init__(self, content: bytes | int, spool: Spool | None = None) -> None:
        self._content = content
        self._spool = spool

    @classmethod
    def of(cls, job: dict[str, Any]) -> Packed:
        """Pack a serialised job."""
        return cls.of_text(json.dumps(job, separators=(",", ":")))

    @classmethod
    def of_text(cls, text: str) -> Packed:
        """Pack a serialised job that is JSON already."""
        return cls(zlib.compress(text.encode(), LEVEL))

    @property
    def packed(self) -> bytes:
        """Its JSON, compressed."""
        if isinstance(self._content, int):
            assert self._spool is not None  # noqa: S101 - a place is one in a spool
            return self._spool.read(self._content)
        return self._content

    def load(self) -> dict[str, Any]:
        """Return the serialised job."""
        job: dict[str, Any] = json.loads(zlib.decompress(self.packed))
        return job

    def __eq__(self, other: object) -> bool:
        """Return whether both are of the same job."""
        return isinstance(other, Packed) and self.load() == other.load()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Packed], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Take a dict, or what is packed; give the dict."""
        del source, handler
        content = core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())
        made = core_schema.no_info_after_validator_function(cls.of, content)
        return core_schema.json_or_python_schema(
            json_schema=made,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), made]),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.load),
        )
