"""Filters as users type them: words, ``!word``, ``field:value``, ``field!:value`` and ``-l`` label selectors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


class FilterError(ValueError):
    """A filter that makes no sense; its text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a filter looks at in one row. Each part is only reckoned when the filter asks for it."""

    text: Callable[[], str]
    """All columns but the reason, in lower case."""
    field: Callable[[str], str | None]
    """The value of a column or a further field, by its lower-case name; None where there is no such field."""
    labels: Callable[[], Mapping[str, str]]
    reason: Callable[[], str] = lambda: ""
    """A sentence, in lower case, of which a word is looked for from its beginning: ``ci`` is not in insufficient."""

    def has(self, word: str) -> bool:
        """Whether a plain word, in lower case, is anywhere in the row."""
        if word in self.text():
            return True
        return re.search(rf"(?<![a-z0-9]){re.escape(word)}", self.reason()) is not None


Test = Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter: all of its tests must hold. Without tests it lets everything pass."""

    tests: tuple[Test, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests)

    def matches(self, subject: Subject) -> bool:
        """Whether the row passes."""
        return all(test(subject) for test in self.tests)


_FIELD = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9 _-]*?)(?P<no>!?):(?P<value>.+)\Z", re.DOTALL)


_ADDRESS = re.compile(r"[0-9a-f]{1,4}", re.IGNORECASE)
"""A group of a MAC or IPv6 address."""


def parse_filter(text: str, fields: Collection[str] | None = None) -> Filter:
    """The filter that `text` means; `fields` are the names that may stand before a colon, None while nobody knows.

    Addresses and URLs have colons too: they are plain words. Raises FilterError.
    """
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        raise FilterError("the quotation mark has no partner") from None
    tests: list[Test] = []
    rest = iter(words)
    for word in rest:
        if word == "-l" or word.startswith("-l="):
            selector = word[3:] or next(rest, "") if word != "-l" else next(rest, "")
            tests.extend(parse_selector(selector))
        else:
            tests.append(_word_test(word, fields))
    return Filter(tuple(tests))


def _word_test(word: str, fields: Collection[str] | None) -> Test:
    found = _FIELD.match(word)
    if found and not found["value"].startswith("//"):
        name = found["name"].lower()
        if fields is not None and name not in fields and not _ADDRESS.fullmatch(name):
            raise FilterError(f"there is no field {name}; there are {', '.join(sorted(fields))}")
        return _field_test(found["name"].lower(), found["value"].lower(), bool(found["no"]), word.lower())
    if word.startswith("!"):
        if len(word) == 1:
            raise FilterError("! stands before the word that rows must not have: !web")
        return _text_test(word[1:].lower(), True)
    return _text_test(word.lower(), False)


def _text_test(word: str, inverted: bool) -> Test:
    return lambda subject: subject.has(word) is not inverted


def _field_test(name: str, value: str, inverted: bool, word: str) -> Test:
    def test(subject: Subject) -> bool:
        found = subject.field(name)
        if found is None:
            return subject.has(word)
        return (value in found.lower()) is not inverted

    return test


_SET = re.compile(r"(?P<key>[\w./-]+)\s+(?P<no>not)?(?:in|\s+in)\s*\((?P<values>[^)]*)\)\Z")
_EQUAL = re.compile(r"(?P<key>[\w./-]+)\s*(?P<sign>!=|==|=)\s*(?P<value>[\w./-]*)\Z")
_EXISTS = re.compile(r"(?P<no>!?)\s*(?P<key>[\w./-]+)\Z")


def parse_selector(selector: str) -> list[Test]:
    """The tests of a Kubernetes label selector: ``a=b,c!=d,e in (f,g),!h``. Raises FilterError."""
    if not selector.strip():
        raise FilterError("-l wants a label selector: -l app=web")
    return [_selector_test(part.strip()) for part in re.split(r",(?![^(]*\))", selector)]


def _selector_test(part: str) -> Test:
    found = _SET.match(part)
    if found:
        values = frozenset(value.strip() for value in found["values"].split(","))
        return _label_in(found["key"], values, bool(found["no"]))
    found = _EQUAL.match(part)
    if found:
        return _label_in(found["key"], frozenset({found["value"]}), found["sign"] == "!=")
    found = _EXISTS.match(part)
    if found:
        return _label_exists(found["key"], bool(found["no"]))
    raise FilterError(f"{part!r} is no label selector; write key=value, key!=value, key in (a,b), key or !key")


def _label_in(key: str, values: frozenset[str], inverted: bool) -> Test:
    return lambda subject: (subject.labels().get(key) in values) is not inverted


def _label_exists(key: str, inverted: bool) -> Test:
    return lambda subject: (key in subject.labels()) is not inverted
