"""Which ClusterRole has a right that an account lacks: of KubeVirt, CDI and Kubernetes (kubevirt-api.md 7)."""

from __future__ import annotations

from typing import Final

from kvtui.backends.base import Permission

_READS: Final = frozenset({"get", "list", "watch"})
_WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_SUBRESOURCES: Final = "subresources.kubevirt.io"
_KUBEVIRT: Final = frozenset(
    f"{prefix}kubevirt.io" for prefix in ("", "snapshot.", "export.", "clone.", "pool.", "instancetype.", "backup.")
)
_CDI: Final = frozenset({"cdi.kubevirt.io", "upload.cdi.kubevirt.io"})
_EDIT: Final = frozenset({
    "start", "stop", "restart", "addvolume", "removevolume", "memorydump", "removememorydump", "pause", "unpause",
    "freeze", "unfreeze", "softreboot", "reset", "evacuate/cancel", "sev/setupsession", "sev/injectlaunchsecret",
})  # fmt: skip
"""Subresources that kubevirt.io:edit may update."""
_ENTER: Final = frozenset({"console", "vnc", "portforward", "usbredir"})
_STOCK: Final = frozenset({"pods", "persistentvolumeclaims", "services", "secrets", "configmaps"})
"""Kinds of the core group that the stock role ``edit`` writes, and secrets that it alone reads."""


def explain_need(needs: Permission) -> str:
    """What is missing, and the role that has it: ``needs create on datavolumes: role cdi.kubevirt.io:edit``."""
    role = find_role(needs)
    return f"needs {needs}: role {role}" if role else f"needs {needs}"


def find_role(needs: Permission) -> str:
    """The least of the well-known ClusterRoles that has the right; empty where none is known to."""
    if needs.group == _SUBRESOURCES:
        return _of_subresource(needs)
    if needs.group in _KUBEVIRT:
        if needs.resource == "virtualmachineinstancemigrations" and needs.verb in _WRITES:
            return "kubevirt.io:migrate"
        return _one(needs, view="kubevirt.io:view", edit="kubevirt.io:edit")
    if needs.group in _CDI:
        return _one(needs, view="cdi.kubevirt.io:view", edit="cdi.kubevirt.io:edit")
    if needs.group == "" and needs.resource in _STOCK and not needs.subresource:
        return _one(needs, view="edit" if needs.resource == "secrets" else "view", edit="edit")
    return ""


def _one(needs: Permission, *, view: str, edit: str) -> str:
    return view if needs.verb in _READS else edit if needs.verb in _WRITES else ""


def _of_subresource(needs: Permission) -> str:
    if needs.verb == "update" and needs.subresource == "migrate":
        return "kubevirt.io:migrate"
    if needs.verb == "update" and needs.subresource in _EDIT:
        return "kubevirt.io:edit"
    if needs.verb == "get" and needs.subresource == "vnc/screenshot":
        return "kubevirt.io:admin"
    return "kubevirt.io:edit" if needs.verb == "get" and needs.subresource in _ENTER else ""
