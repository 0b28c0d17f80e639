"""Objects as they may be shown: nothing secret, nothing that a terminal obeys, everything else as it was."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.kubernetes.masking import masked
from kvtui.text import clean

RECORDINGS = Path(__file__).parent.parent / "data" / "recordings" / "lists"
SECRET = "hunter2-Zq"

SECRET_PLACES: list[dict[str, Any]] = [
    {"kind": "Secret", "data": {"a": SECRET}},
    {"kind": "Secret", "stringData": {SECRET[:3]: SECRET}},
    {"kind": "Secret", "data": SECRET},
    {"spec": {"volumes": [{"cloudInitNoCloud": {"userData": SECRET, "networkData": SECRET}}]}},
    {"spec": {"volumes": [{"cloudInitConfigDrive": {"userDataBase64": SECRET, "networkDataBase64": SECRET}}]}},
    {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'{{"x":"{SECRET}"}}'}}},
    {"metadata": {"annotations": {"other.tool/applied": f'{{"spec":{{"userData":"{SECRET}"}}}}'}}},
    {"metadata": {"annotations": {"other.tool/original": f'{{\\"password\\": \\"{SECRET}\\"}}'}}},
    {"metadata": {"annotations": {"kubevirt.io/ignitiondata": SECRET}}},
    {"metadata": {"annotations": {"example.com/api-token": SECRET}}},
    {"spec": {"source": {"http": {"url": f"https://me:{SECRET}@mirror/x.img"}}}},
    {"spec": {"source": {"http": {"extraHeaders": [f"Authorization: Bearer {SECRET}"]}}}},
    {"spec": {"accessCredentials": [{"userPassword": {"x": SECRET}}]}},
    {"spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": SECRET}]}]}},
    {"status": {"bootstrapToken": SECRET}},
    {"spec": {"password": SECRET}},
    {"spec": {"db_password": SECRET}},
    {"spec": {"privateKey": SECRET}},
    {"spec": {"clientSecret": SECRET}},
]


@pytest.mark.parametrize("item", SECRET_PLACES, ids=lambda item: json.dumps(item)[:60])
def test_no_secret_is_shown(item: dict[str, Any]) -> None:
    before = copy.deepcopy(item)
    assert SECRET not in json.dumps(masked(item))
    assert item == before, "the object itself is left alone"


def test_where_a_secret_is_stays_readable() -> None:
    item = {
        "kind": "Pod",
        "spec": {
            "volumes": [{"name": "keys", "secret": {"secretName": "db-keys", "defaultMode": 420}}],
            "automountServiceAccountToken": False,
            "imagePullSecret": "registry",
            "containers": [
                {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]}
            ],
            "tokenExpirationSeconds": 3600,
            "secretRef": "s3",
            "url": "https://mirror/x.img",
        },
        "status": {"message": "the password was wrong: no token"},
    }
    assert masked(item) == item


def test_managed_fields_are_left_out() -> None:
    assert masked({"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}}) == {"metadata": {"name": "a"}}


keys = st.text(max_size=10) | st.sampled_from(["name", "spec", "userData", "token", "kind", "items"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return [value] if isinstance(value, str) else []


@given(st.dictionaries(keys, values, max_size=5))
def test_whatever_comes_is_clean_and_masking_twice_changes_nothing(item: dict[str, Any]) -> None:
    once = masked(item)
    assert all(text == clean(text) for text in texts(once))
    assert masked(once) == once


@given(
    st.dictionaries(keys, values, max_size=4), st.sampled_from(["userData", "token", "password", "networkDataBase64"])
)
def test_a_secret_is_masked_however_deep_it_lies(item: dict[str, Any], key: str) -> None:
    assert SECRET not in json.dumps(masked({"spec": [{"deep": [item, {key: SECRET}]}]}))


@pytest.mark.parametrize("file", sorted(RECORDINGS.glob("*.json")), ids=lambda file: file.stem)
def test_real_objects_lose_nothing_else(file: Path) -> None:
    for item in json.loads(file.read_text())["items"]:
        shown = masked(item)
        assert "not-a-real-secret" not in json.dumps(shown)
        assert shown["metadata"]["name"] == item["metadata"]["name"]  # type: ignore[index]
        assert shown.get("status") == item.get("status")
        assert set(shown) == set(item)
