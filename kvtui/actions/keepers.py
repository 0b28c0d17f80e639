"""Who would carry out what is asked of KubeVirt and CDI, and is not there to do it. Pure.

Which of them has a part in what: kubevirt-api.md 2.10, 3.1 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kvtui.backends.base import Permission
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.base import is_true
from kvtui.records.kubernetes import Node, Pod
from kvtui.store import View
from kvtui.text import age, parse_time
from kvtui.triage.components import HANDLER, find_down, find_handler_trouble, handlers_of_node
from kvtui.triage.nodes import HEARTBEAT_LIMIT

_WAITS: Final = "what is asked for waits until it has one, and is done then"
_REFUSED: Final = "KubeVirt takes no request till it has one"
_NO_DISK: Final = "no DataVolume can be made till it has one"
_NO_FILLING: Final = "no disk is filled till it has one"
_NO_UPLOAD: Final = "no image can be uploaded till it has one"

_CALLS: Final = "subresources.kubevirt.io"
_KUBEVIRT: Final = frozenset(
    {"kubevirt.io", "snapshot.kubevirt.io", "clone.kubevirt.io", "export.kubevirt.io", "pool.kubevirt.io"}
)
_CDI: Final = "cdi.kubevirt.io"
_UPLOADS: Final = "upload.cdi.kubevirt.io"
_ADMITTED: Final = frozenset({"create", "update", "patch"})
"""What a webhook judges."""
_MAKES: Final = frozenset({"create", "delete"})
"""What a controller has to follow; a change may be one that needs nobody, as that of a label."""
_LATER: Final = frozenset(
    {"start", "stop", "restart", "migrate", "addvolume", "removevolume", "memorydump", "removememorydump"}
)
"""Subresources by which virt-api only notes what virt-controller is to do."""
_ON_NODE: Final = frozenset(
    {"stop", "restart", "migrate", "pause", "unpause", "freeze", "unfreeze", "softreboot", "reset", "addvolume",
     "removevolume", "memorydump"}
)  # fmt: skip
"""Those that reach a running guest through virt-handler."""


def tell_absent(view: View, needs: Sequence[Permission], row: Any, ref: Ref, now: float) -> Iterator[str]:
    """A sentence for each part of KubeVirt and CDI that what is asked by these rights needs, and that is down."""
    needed = dict(one for permission in needs for one in _needed(permission))
    for component, without in needed.items():
        if find_down(view, ref.backend, component, now) is not None:
            yield f"Deployment {component} has no ready pod: {without}"
    if any(one.group == _CALLS and one.subresource in _ON_NODE for one in needs) and isinstance(row, Machine):
        name = row.live.status.node_name if row.live is not None else ""
        if why := _why_idle(view, ref.backend, name, now):
            yield f"{why}: nothing is done to its guest there"


def _needed(permission: Permission) -> Iterator[tuple[str, str]]:
    """The Deployments that it takes, each with what is not done without it."""
    group, verb = permission.group, permission.verb
    if group == _CALLS or (group in _KUBEVIRT and verb in _ADMITTED):
        yield "virt-api", _REFUSED
    if permission.subresource in _LATER if group == _CALLS else group in _KUBEVIRT and verb in _MAKES:
        yield "virt-controller", _WAITS
    if group == _UPLOADS or (group == _CDI and verb in _ADMITTED):
        yield "cdi-apiserver", _NO_DISK
    if group == _CDI and verb == "create":
        yield "cdi-deployment", _NO_FILLING
    if group == _UPLOADS:
        yield "cdi-uploadproxy", _NO_UPLOAD


def _why_idle(view: View, backend: str, name: str, now: float) -> str:
    """Why KubeVirt does nothing on a node; empty where it does, and where that is not known."""
    node = view.get(Node, backend, "", name) if name else None
    if node is None:
        return ""
    if not is_true(node.status.conditions, "Ready"):
        return f"node {name} is not ready"
    found = find_handler_trouble(view, backend, name, now)
    if found is not None and found[1].ripe <= now:
        return f"{HANDLER} does not run on node {name} ({found[1].sentence})"
    if not handlers_of_node(view, backend, name) and view.linked(Pod, backend, "component", HANDLER):
        return f"no {HANDLER} pod runs on node {name}"
    beat = parse_time(node.metadata.annotations.heartbeat)
    if beat is not None and now - beat > HEARTBEAT_LIMIT:
        return f"{HANDLER} of node {name} has given no heartbeat for {age(now - beat)}"
    return ""
