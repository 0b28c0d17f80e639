"""A List decoded while it arrives: in slices of whole items, cut by plain searches and proven by the JSON parser.

Items of a List begin alike (``{"apiVersion":"kubevirt.io/v1","kind":"VirtualMachine"``, ``{"metadata":{"name"``). The
bytes before the last such beginning in the buffer are a slice if they decode as ``[...]``: a cut inside an item leaves
a string, an object or an array open, so it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from kvtui.backends.kubernetes.answers import refuse_other_answers
from kvtui.errors import BackendError
from kvtui.records.decode import TOO_DEEP
from kvtui.text import clean_line

R = TypeVar("R")

_SLICE: Final = 2**16
"""Bytes from which a cut is tried: half a millisecond of decoding."""
_CANDIDATES: Final = 4
"""Cuts tried before waiting for more bytes; beginnings that occur inside items too make some of them wrong."""
_ITEMS: Final = re.compile(rb'"items"\s*:\s*\[')
_SPACE: Final = b" \t\r\n"
# The first key of an item, with its value when that is a string, and the key after it.
_BEGINNING: Final = re.compile(
    rb'\{\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"\s*,\s*"[^"\\]*"(?:\s*:\s*"[^"\\]*")?|\{\s*"[^"\\]*")'
)


class ListMeta(msgspec.Struct, rename="camel"):
    """``metadata`` of a List."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    kind: str = ""
    items: list[msgspec.Raw] | None = None
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


class ListReader(Generic[R]):
    """Takes the body of a List in pieces of any size, in any order of keys, and gives its items as they come.

    `decode` turns a JSON array into records and raises BackendError when it is none.
    """

    def __init__(self, decode: Callable[[bytes], list[R]]) -> None:
        self._decode = decode
        self._buffer = bytearray()
        self._head = b""
        """Everything up to the bracket that opens the items; empty until that was found."""
        self._searched = 0
        self._beginning = b""
        self._enough = _SLICE

    def feed(self, piece: bytes) -> list[R]:
        """The items that `piece` completed, as far as they are worth a slice yet."""
        self._buffer += piece
        if not self._head and not self._find_items():
            return []
        if len(self._buffer) < self._enough:
            return []
        if not self._beginning:
            self._beginning = self._first_beginning()
        return self._cut()

    def close(self) -> tuple[list[R], ListMeta]:
        """The items left, and the metadata. Raises BackendError when the body ended early or is no List."""
        body = self._head + bytes(self._buffer)
        refuse_other_answers(body)
        try:
            rest = msgspec.json.decode(body, type=_List)
        except RecursionError as error:
            raise BackendError(TOO_DEEP) from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BackendError("the list that the server sent is broken", clean_line(str(error))) from error
        if rest.items is None and not rest.kind.endswith("List"):
            # An empty list is believed, and costs every row: this is none.
            named = f"a {clean_line(rest.kind)}" if rest.kind else "an object without a kind"
            raise BackendError("the server sent no list", f"{named} came instead")
        self._buffer.clear()
        return (self._decode(b"[%b]" % b",".join(map(bytes, rest.items))) if rest.items else []), rest.metadata

    def _find_items(self) -> bool:
        """Move everything up to the items from the buffer to the head."""
        # A match that is kept would keep the buffer from being shortened.
        for end in [found.end() for found in _ITEMS.finditer(self._buffer, self._searched)]:
            head = bytes(self._buffer[:end])
            try:
                # Within a string or another object, the brackets would not match.
                msgspec.json.decode(head + b"]}", type=_List)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            del self._buffer[:end]
            self._head = head
            return True
        # `"items" : [` may be cut in two.
        self._searched = max(0, len(self._buffer) - 64)
        return False

    def _first_beginning(self) -> bytes:
        found = _BEGINNING.match(bytes(self._buffer).lstrip(_SPACE))
        return found[0] if found else b"{"

    def _cut(self) -> list[R]:
        end = len(self._buffer)
        for _ in range(_CANDIDATES):
            end = self._buffer.rfind(self._beginning, 1, end)
            if end < 0:
                break
            before = bytes(self._buffer[:end]).rstrip(_SPACE)
            if not before.endswith(b","):
                continue
            try:
                records = self._decode(b"[%b]" % before[:-1])
            except BackendError:
                continue
            del self._buffer[:end]
            self._enough = _SLICE
            return records
        self._enough = 2 * len(self._buffer)
        return []
