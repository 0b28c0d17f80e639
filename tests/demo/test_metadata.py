"""Names: which the API server takes, and what it says of others (in the words of apimachinery 0.36.0)."""

from __future__ import annotations

import pytest

from kvtui.demo import kinds
from kvtui.demo.metadata import Kind, check_name
from kvtui.demo.storage import StorageError

_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("kind", "name"), [(kinds.VM, "a.b-1"), (kinds.VM, "x" * 253), (kinds.NAMESPACE, "1a"), (kinds.SERVICE, "1a")]
)
def test_names_that_are_taken(kind: Kind, name: str) -> None:
    check_name(kind, name)


@pytest.mark.parametrize(
    ("kind", "name", "faults"),
    [
        (kinds.VM, "Web", [_SUBDOMAIN]),
        (kinds.VM, "-", [_SUBDOMAIN]),
        (kinds.VM, "X" * 254, ["must be no more than 253 characters", _SUBDOMAIN]),
        (kinds.NAMESPACE, "a.b", ["must not contain dots"]),
        (kinds.NAMESPACE, "a_b", [_LABEL]),
        (kinds.SERVICE, "x" * 64, ["must be no more than 63 characters"]),
    ],
)
def test_names_that_are_refused(kind: Kind, name: str, faults: list[str]) -> None:
    with pytest.raises(StorageError) as refusal:
        check_name(kind, name)
    words = [f'Invalid value: "{name}": {fault}' for fault in faults]
    assert refusal.value.code == 422
    details = refusal.value.status()["details"]
    assert details["causes"] == [
        {"reason": "FieldValueInvalid", "message": message, "field": "metadata.name"} for message in words
    ]
    told = ", ".join(f"metadata.name: {message}" for message in words)
    shown = told if len(words) == 1 else f"[{told}]"
    assert refusal.value.message == f'{kind.qualified} "{name}" is invalid: {shown}'
