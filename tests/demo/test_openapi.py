"""OpenAPI: kubectl finds that the server validates fields itself, so it neither refuses nor warns."""

from __future__ import annotations

import pytest

from kvtui.demo import kinds
from kvtui.demo.openapi import document
from kvtui.demo.storage import Kind


def test_the_index_leads_to_a_document_of_every_group() -> None:
    index = document("v3", kinds.KINDS)
    assert index is not None
    assert {"api/v1", "apis/apps/v1", "apis/kubevirt.io/v1", "apis/cdi.kubevirt.io/v1beta1"} <= index["paths"].keys()
    for group, place in index["paths"].items():
        assert document(place["serverRelativeURL"].removeprefix("/openapi/"), kinds.KINDS) is not None, group


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.plural)
def test_every_kind_can_be_patched_with_field_validation(kind: Kind) -> None:
    group = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
    found = document(f"v3/{group}", kinds.KINDS)
    assert found is not None
    identity = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    patches = [path["patch"] for path in found["paths"].values()]
    (patch,) = [patch for patch in patches if patch["x-kubernetes-group-version-kind"] == identity]
    assert [parameter["name"] for parameter in patch["parameters"]] == ["fieldValidation"]
    reference = patch["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.rpartition("/")[2] in found["components"]["schemas"]


@pytest.mark.parametrize("path", ["v2", "", "v3/apis/absent/v1"])
def test_other_documents_are_absent(path: str) -> None:
    assert document(path, kinds.KINDS) is None
