"""Which role is named for a missing right: it is one that the demo's roles, taken from KubeVirt and CDI, agree on."""

from __future__ import annotations

import pytest

from kvtui.backends.base import Permission
from kvtui.backends.kubernetes.roles import explain_need, find_role
from kvtui.demo.roles import AUTHENTICATED, EDIT, VIEW
from kvtui.model import Platform
from kvtui.resources import RESOURCES

_SUBRESOURCES = "subresources.kubevirt.io"
NEEDS = sorted(
    {
        need
        for resource in RESOURCES
        if any(source.platform is Platform.KUBERNETES for source in resource.sources)
        for action in resource.verbs
        for variant in (action, *(variant for _, variant in action.variants))
        for need in (variant.needs, *variant.also)
        if need.group != "libvirt"
    },
    key=str,
)


def test_the_missing_right_is_told_with_its_role() -> None:
    migrate = Permission("update", _SUBRESOURCES, "virtualmachines", "migrate")
    assert explain_need(migrate) == "needs update on virtualmachines/migrate: role kubevirt.io:migrate"
    assert explain_need(Permission("patch", "", "nodes")) == "needs patch on nodes"


@pytest.mark.parametrize("need", NEEDS, ids=str)
def test_the_role_that_is_named_has_the_right(need: Permission) -> None:
    role = find_role(need)
    resource = f"{need.resource}/{need.subresource}" if need.subresource else need.resource
    edits = any(rule.allows(need.verb, need.group, resource) for rule in (*AUTHENTICATED, *EDIT))
    views = any(rule.allows(need.verb, need.group, resource) for rule in (*AUTHENTICATED, *VIEW))
    if role.endswith("view"):
        assert views
    elif role.endswith("edit"):
        assert edits
        assert not views
    else:
        assert not edits, f"{need}: the role edit has it"


@pytest.mark.parametrize(
    ("need", "role"),
    [
        (Permission("get", _SUBRESOURCES, "virtualmachineinstances", "console"), "kubevirt.io:edit"),
        (Permission("get", _SUBRESOURCES, "virtualmachineinstances", "vnc/screenshot"), "kubevirt.io:admin"),
        (Permission("create", "kubevirt.io", "virtualmachineinstancemigrations"), "kubevirt.io:migrate"),
        (Permission("list", "kubevirt.io", "virtualmachineinstancemigrations"), "kubevirt.io:view"),
        (Permission("create", "upload.cdi.kubevirt.io", "uploadtokenrequests"), "cdi.kubevirt.io:edit"),
        (Permission("get", "", "secrets"), "edit"),
        (Permission("redefine", "kubevirt.io", "virtualmachines"), ""),
    ],
    ids=str,
)
def test_well_known_roles(need: Permission, role: str) -> None:
    assert find_role(need) == role
