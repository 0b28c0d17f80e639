"""The pane of API services, and what is found in one, from objects as kube-aggregator writes them."""

from __future__ import annotations

import json
from typing import Any

from kvtui.model import Severity
from kvtui.records.decode import decode_record
from kvtui.records.kubernetes import ApiService
from kvtui.resources.apiservice import RESOURCE
from kvtui.store import Put, Store
from kvtui.triage.engine import Engine

NOW = 1795226400.0
WORDS = 'endpoints for service/virt-api in "kubevirt" have no addresses with port name ""'


def service(name: str, status: str, reason: str, words: str, by: dict[str, Any] | None = None) -> ApiService:
    version, _, group = name.partition(".")
    condition = {"type": "Available", "status": status, "reason": reason, "message": words}
    item = {
        "kind": "APIService",
        "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-04-23T01:45:00Z"},
        "spec": {"group": group, "version": version, **({"service": by} if by else {})},
        "status": {"conditions": [{**condition, "lastTransitionTime": "2026-11-21T01:48:00Z"}]},
    }
    return decode_record(json.dumps(item).encode(), ApiService)


SERVICES = (
    service("v1.apps", "True", "Local", "Local APIServices are always available"),
    service(
        "v1.subresources.kubevirt.io",
        "False",
        "MissingEndpoints",
        WORDS,
        {"namespace": "kubevirt", "name": "virt-api", "port": 443},
    ),
)


def test_a_row_tells_who_answers_and_whether_it_does() -> None:
    store = Store()
    store.apply([Put("site", record) for record in SERVICES])
    rows = [RESOURCE.row(store, ref) for ref in RESOURCE.refs(store)]
    shown = [[column.cell(row, NOW).text for column in RESOURCE.columns[:3]] for row in rows if row is not None]
    assert shown == [
        ["v1.apps", "Available", "the API server"],
        ["v1.subresources.kubevirt.io", "Unavailable", "kubevirt/virt-api"],
    ]
    assert [RESOURCE.health(row, NOW).reason for row in rows if row is not None] == ["", WORDS]


def test_an_api_that_is_not_to_be_had_is_told_without_its_pods() -> None:
    store, engine = Store(), Engine()
    engine.update(store, store.apply([Put("site", record) for record in SERVICES]), NOW)
    (finding,) = engine.findings
    assert (finding.severity, finding.subject.name) == (Severity.BAD, "v1.subresources.kubevirt.io")
    assert (finding.cause, finding.root) == (WORDS, None)
    assert finding.step == "see the pods of service kubevirt/virt-api"
