"""Quotas: how much of what they allow is taken."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Tone
from kvtui.resources import find
from tests.machines import RECORDED, store_of


def cells(hard: dict[str, str], used: dict[str, str]) -> tuple[dict[str, str], Tone]:
    """By column, as the quota controller counts."""
    item = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "tight", "uid": "uid-small"},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": used},
    }
    store, resource = store_of([item]), find("quota")
    store.drain()
    assert resource is not None
    (ref,) = resource.refs(store)
    row: Any = resource.row(store, ref)
    shown = {column.title: column.cell(row, RECORDED).text for column in resource.columns}
    return shown, resource.health(row, RECORDED).tone


@pytest.mark.parametrize(
    ("hard", "used", "status", "share", "fullest"),
    [
        (
            {"requests.memory": "16Gi", "pods": "40"},
            {"requests.memory": "14Gi", "pods": "12"},
            "Room",
            "88%",
            "requests.memory 14Gi of 16Gi",
        ),
        (
            {"requests.cpu": "2", "pods": "40"},
            {"requests.cpu": "2500m", "pods": "1"},
            "Full",
            "125%",
            "requests.cpu 2.5 of 2",
        ),
        (
            {"requests.memory": "1Gi"},
            {"requests.memory": "1073741824"},
            "Full",
            "100%",
            "requests.memory 1Gi of 1Gi",
        ),
        ({"count/secrets": "0"}, {"count/secrets": "0"}, "Full", "100%", "count/secrets 0 of 0"),
        ({"pods": "4"}, {}, "Unknown", "-", "-"),
    ],
)
def test_the_fullest_resource_of_a_quota_is_told_and_a_full_one_is_no_fault(
    hard: dict[str, str], used: dict[str, str], status: str, share: str, fullest: str
) -> None:
    shown, tone = cells(hard, used)
    assert (shown["STATUS"], shown["USED"], shown["FULLEST"]) == (status, share, fullest)
    assert tone not in (Tone.WARN, Tone.BAD)
