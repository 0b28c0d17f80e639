"""The roles that the demo's users have: Kubernetes' stock view and edit, with what KubeVirt and CDI add to them.

Sources: KubeVirt's rbac/cluster.go (1.9) and CDI's cluster/rbac.go as told in reference section 7, and
the rules a real server listed for a user of the role view.
"""

from __future__ import annotations

from dataclasses import dataclass

READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_NO_COLLECTION = ("get", "delete", "create", "update", "patch", "list", "watch")


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule: any of its verbs on any of its resources in any of its groups; ``*`` stands for all."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, verb: str, group: str, resource: str) -> bool:
        """Whether the rule grants `verb` on `resource` (``pods`` or ``pods/log``)."""
        return (
            ("*" in self.verbs or verb in self.verbs)
            and ("*" in self.groups or group in self.groups)
            and ("*" in self.resources or resource in self.resources)
        )


def _each(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{name}" for name in names.split())


_SUB = ("subresources.kubevirt.io",)
_KUBEVIRT_KINDS = (
    "virtualmachines",
    "virtualmachineinstances",
    "virtualmachineinstancepresets",
    "virtualmachineinstancereplicasets",
)
_KUBEVIRT_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("snapshot.kubevirt.io", ("virtualmachinesnapshots", "virtualmachinesnapshotcontents", "virtualmachinerestores")),
    ("backup.kubevirt.io", ("virtualmachinebackups", "virtualmachinebackuptrackers")),
    ("export.kubevirt.io", ("virtualmachineexports",)),
    ("clone.kubevirt.io", ("virtualmachineclones",)),
    (
        "instancetype.kubevirt.io",
        (
            "virtualmachineinstancetypes",
            "virtualmachineclusterinstancetypes",
            "virtualmachinepreferences",
            "virtualmachineclusterpreferences",
        ),
    ),
    ("pool.kubevirt.io", ("virtualmachinepools",)),
)
_CDI_KINDS = (
    "datavolumes",
    "datasources",
    "dataimportcrons",
    "volumeimportsources",
    "volumeuploadsources",
    "volumeclonesources",
)
_SCALED = ("", "/scale", "/status")
_TUNNELS = ("pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy")
_CORE_EDITABLE = ("configmaps", "endpoints", "persistentvolumeclaims", "pods", "serviceaccounts", "services")

AUTHENTICATED: tuple[Rule, ...] = (
    Rule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    Rule(("get", "list"), ("kubevirt.io",), ("kubevirts",)),
    Rule(("get", "list"), _SUB, ("version", "guestfs")),
    Rule(
        READ, ("instancetype.kubevirt.io",), ("virtualmachineclusterinstancetypes", "virtualmachineclusterpreferences")
    ),
    Rule(READ, ("cdi.kubevirt.io",), ("cdiconfigs", "storageprofiles")),
)
"""What every user with a token has: system:basic-user, kubevirt.io:default, cdi.kubevirt.io:config-reader."""

VIEW: tuple[Rule, ...] = (
    Rule(
        ("get",),
        _SUB,
        (
            *_each("virtualmachines", "expand-spec objectgraph"),
            *_each(
                "virtualmachineinstances",
                "guestosinfo filesystemlist userlist sev/fetchcertchain sev/querylaunchmeasurement objectgraph",
            ),
        ),
    ),
    Rule(("update",), _SUB, ("expand-vm-spec",)),
    Rule(READ, ("kubevirt.io",), (*_KUBEVIRT_KINDS, "virtualmachineinstancemigrations")),
    *(Rule(READ, (group,), resources) for group, resources in _KUBEVIRT_GROUPS),
    Rule(READ, ("migrations.kubevirt.io",), ("migrationpolicies",)),
    Rule(READ, ("plugin.kubevirt.io",), ("plugins",)),
    Rule(READ, ("cdi.kubevirt.io",), (*_CDI_KINDS, "objecttransfers")),
    Rule(
        READ,
        ("",),
        (
            "configmaps",
            "endpoints",
            "persistentvolumeclaims",
            "persistentvolumeclaims/status",
            "pods",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "serviceaccounts",
            "services",
            "services/status",
        ),
    ),
    Rule(
        READ,
        ("",),
        (
            "bindings",
            "limitranges",
            "namespaces/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers/status",
            "resourcequotas",
            "resourcequotas/status",
        ),
    ),
    Rule(READ, ("",), ("namespaces",)),
    Rule(READ, ("", "events.k8s.io"), ("events",)),
    Rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
    Rule(
        READ,
        ("apps",),
        (
            "controllerrevisions",
            *(f"{plural}{sub}" for plural in ("deployments", "replicasets", "statefulsets") for sub in _SCALED),
            "daemonsets",
            "daemonsets/status",
        ),
    ),
    Rule(READ, ("batch",), ("cronjobs", "cronjobs/status", "jobs", "jobs/status")),
    Rule(READ, ("policy",), ("poddisruptionbudgets", "poddisruptionbudgets/status")),
    Rule(READ, ("metrics.k8s.io",), ("nodes", "pods")),
)

EDIT: tuple[Rule, ...] = (
    *VIEW,
    Rule(
        ("get",),
        _SUB,
        (*_each("virtualmachineinstances", "console vnc portforward usbredir"), "virtualmachines/portforward"),
    ),
    Rule(
        ("update",),
        _SUB,
        (
            *_each(
                "virtualmachineinstances",
                "pause unpause addvolume removevolume freeze unfreeze softreboot reset sev/setupsession "
                "sev/injectlaunchsecret evacuate/cancel",
            ),
            *_each(
                "virtualmachines",
                "start stop restart addvolume removevolume memorydump removememorydump evacuate/cancel",
            ),
        ),
    ),
    Rule(_NO_COLLECTION, ("kubevirt.io",), _KUBEVIRT_KINDS),
    *(Rule(_NO_COLLECTION, (group,), resources) for group, resources in _KUBEVIRT_GROUPS),
    Rule(("*",), ("cdi.kubevirt.io",), (*_CDI_KINDS, "datavolumes/source")),
    Rule(("*",), ("upload.cdi.kubevirt.io",), ("uploadtokenrequests",)),
    Rule(("get", "list", "watch"), ("",), ("secrets", *_TUNNELS)),
    Rule(_WRITE, ("",), (*_CORE_EDITABLE, "secrets", *_TUNNELS)),
    Rule(("create",), ("",), ("pods/eviction",)),
    Rule(_WRITE, ("apps",), ("daemonsets", "deployments", "deployments/scale", "replicasets", "statefulsets")),
)

CLUSTER_ADMIN: tuple[Rule, ...] = (Rule(("*",), ("*",), ("*",)),)
