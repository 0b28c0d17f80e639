"""What servers warn of when they do what they are asked: a field that they do not know, a version that ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from kvtui.text import clean_line

_WARNING: Final = re.compile(r'299 [^\s,"]+ "((?:[^"\\]|\\.)*)"')
"""A ``Warning`` that lasts (RFC 7234, 5.5.7), as Kubernetes writes it: ``299 - "unknown field \\"spec.x\\""``."""

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@contextmanager
def hearing(heard: list[str]) -> Iterator[None]:
    """Have what servers warn of meanwhile added, once each and cleaned."""
    token = _heard.set(heard)
    try:
        yield
    finally:
        _heard.reset(token)


def hear(headers: Iterable[str]) -> None:
    """Note the ``Warning`` headers of an answer, where somebody listens."""
    heard = _heard.get()
    if heard is None:
        return
    for header in headers:
        for text in _WARNING.findall(header):
            words = clean_line(re.sub(r"\\(.)", r"\1", text))
            if words and words not in heard:
                heard.append(words)
