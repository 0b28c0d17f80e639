"""Who manages the machines of which application, and the objects that it keeps for that.

Sources: Argo CD ``docs/user-guide/resource_tracking.md``, kustomize-controller ``api/v1`` and helm-controller
``api/v2`` (labels), Helm ``pkg/action/validate.go`` (annotations), ssp-operator
``internal/operands/vm-delete-protection``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.catalog.applications import APPLICATIONS, Application
from kvtui.demo.catalog.making import long_made
from kvtui.demo.catalog.pools import pool_machine, pool_of, pool_revision
from kvtui.demo.catalog.tenants import TENANT, cluster_of, kubevirt_machine_of, tenant_machine
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.metadata import Kind, Object

PROTECTION: Final = "kubevirt.io/vm-delete-protection"
POLICY: Final = "kubevirt-vm-deletion-protection"


@dataclass(frozen=True, slots=True)
class Owner:
    """What manages all machines of an application."""

    kind: Kind
    namespace: str
    name: str


OWNERS: Final[dict[str, Owner]] = {
    "kafka": Owner(kinds.APPLICATION, "argocd", "streaming"),
    "gateway": Owner(kinds.KUSTOMIZATION, "flux-system", "monitoring"),
    "clickhouse": Owner(kinds.HELM_RELEASE, "flux-system", "clickhouse"),
    "runner": Owner(kinds.POOL, "ci", "runner"),
    "k8s-node": Owner(kinds.CLUSTER, "tenants", TENANT),
}
"""By the application's name."""
_HELM: Final = "winfile"
"""The application that somebody installed with ``helm``."""
_PROTECTED: Final = "mssql"
_DECLARED: Final = (kinds.APPLICATION, kinds.KUSTOMIZATION, kinds.HELM_RELEASE)
_BY_NAME: Final = {application.name: application for application in APPLICATIONS}


def owner_of(namespace: str, name: str) -> Owner | None:
    """What manages the machine, by its name; machines that somebody calls alike are not told apart."""
    application = _BY_NAME.get(name.rpartition("-")[0])
    return OWNERS.get(application.name) if application is not None and application.namespace == namespace else None


def declared_machine(namespace: str, name: str) -> Object | None:
    """The machine as Git has it; None for one that no repository declares."""
    owner = owner_of(namespace, name)
    return None if owner is None or owner.kind not in _DECLARED else _marked(_BY_NAME[name.rpartition("-")[0]], name)


def seeded_machine(application: Application, number: int, count: int) -> Object:
    """The machine with that number of `count` as its owner, or its user, has made it."""
    name = f"{application.name}-{number}"
    owner = OWNERS.get(application.name)
    if owner is not None and owner.kind is kinds.POOL:
        return pool_machine(pool_of(application, count, ""), number)
    if owner is not None and owner.kind is kinds.CLUSTER:
        return tenant_machine(kubevirt_machine_of(application, number, count, ""))
    return _marked(application, name)


def _marked(application: Application, name: str) -> Object:
    vm = machine(application, name)
    meta, owner = vm["metadata"], OWNERS.get(application.name)
    if application.name == _PROTECTED:
        meta["labels"][PROTECTION] = "True"
    elif application.name == _HELM:
        _mark_release(meta, application.name, application.namespace)
    elif owner is not None and owner.kind is kinds.APPLICATION:
        tracked = f"{owner.name}:kubevirt.io/VirtualMachine:{application.namespace}/{name}"
        meta["annotations"] = {"argocd.argoproj.io/tracking-id": tracked}
    elif owner is not None:
        meta["labels"] |= {f"{owner.kind.group}/name": owner.name, f"{owner.kind.group}/namespace": owner.namespace}
        if owner.kind is kinds.HELM_RELEASE:
            _mark_release(meta, owner.name, application.namespace)
    return vm


def _mark_release(meta: Object, release: str, namespace: str) -> None:
    meta["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    meta["annotations"] = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}


def owner_objects(shares: Iterable[tuple[Application, int]], created: str) -> Iterator[tuple[Kind, Object]]:
    """The objects of all owners for so many machines of each application."""
    yield from _protection(created)
    for application, count in shares:
        owner = OWNERS.get(application.name)
        if owner is None or not count:
            continue
        names = [f"{application.name}-{number}" for number in range(1, count + 1)]
        if owner.kind is kinds.APPLICATION:
            yield owner.kind, _argo_application(owner, application.namespace, names, created)
        elif owner.kind is kinds.POOL:
            pool = pool_of(application, count, created)
            yield kinds.POOL, pool
            yield kinds.CONTROLLER_REVISION, pool_revision(pool)
        elif owner.kind is kinds.CLUSTER:
            yield from cluster_of(application, count, created)
        else:
            yield owner.kind, _fluxlong_made(owner, application.namespace, names, created)


def _protection(created: str) -> Iterator[tuple[Kind, Object]]:
    """The admission policy by which the SSP operator keeps machines from being deleted."""
    words = (
        f"'VirtualMachine ' + string(oldObject.metadata.name) + ' cannot be deleted, disable/remove label "
        f"\\'{PROTECTION}\\' from VirtualMachine before deleting it'"
    )
    labelled = "oldObject.metadata.labels"
    expression = (
        f"(!has({labelled}) || !(variables.label in {labelled}) || "
        f"!{labelled}[variables.label].matches('^(true|True)$'))"
    )
    rule = {"apiGroups": ["kubevirt.io"], "apiVersions": ["v1"], "operations": ["DELETE"],
            "resources": ["virtualmachines"]}  # fmt: skip
    spec: Object = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "messageExpression": words}],
        "variables": [{"name": "label", "expression": f"string('{PROTECTION}')"}],
    }
    yield kinds.ADMISSION_POLICY, long_made(kinds.ADMISSION_POLICY, "", POLICY, created, spec=spec)
    bound: Object = {"policyName": POLICY, "validationActions": ["Deny"]}
    yield kinds.ADMISSION_POLICY_BINDING, long_made(kinds.ADMISSION_POLICY_BINDING, "", POLICY, created, spec=bound)


# GitOps

_REVISION: Final = "8c1f2b7d90a64e53ab0d1d6f8f2c9f4e7a35d21b"
"""Of fleet.git."""


def _argo_application(owner: Owner, namespace: str, names: list[str], created: str) -> Object:
    spec: Object = {
        "project": "default",
        "destination": {"namespace": namespace, "server": "https://kubernetes.default.svc"},
        "source": {"path": owner.name, "repoURL": "https://git.example.org/fleet.git", "targetRevision": "main"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }
    status: Object = {
        "health": {"status": "Healthy"},
        "sync": {"status": "Synced", "revision": _REVISION},
        "resources": [{**_kept(namespace, name), "status": "Synced"} for name in names],
        "operationState": sync_of(spec, namespace, dict.fromkeys(names, "created"), created),
    }
    return long_made(owner.kind, owner.namespace, owner.name, created, spec=spec, status=status)


def sync_of(spec: Object, namespace: str, results: dict[str, str], now: str) -> Object:
    """``status.operationState`` of an application that was synced by itself; what ``kubectl apply`` said of each
    machine: ``created``, ``configured``.
    """
    told = {"status": "Synced", "hookPhase": "Running", "syncPhase": "Sync"}
    return {
        "operation": {
            "initiatedBy": {"automated": True},
            "retry": {"limit": 5},
            "sync": {"prune": True, "revision": _REVISION},
        },
        "phase": "Succeeded",
        "message": "successfully synced (all tasks run)",
        "startedAt": now,
        "finishedAt": now,
        "syncResult": {
            "revision": _REVISION,
            "source": dict(spec["source"]),
            "resources": [
                {**_kept(namespace, name), **told, "message": f"virtualmachine.kubevirt.io/{name} {result}"}
                for name, result in results.items()
            ],
        },
    }


def _kept(namespace: str, name: str) -> Object:
    return {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine", "namespace": namespace, "name": name}


def _fluxlong_made(owner: Owner, namespace: str, names: list[str], created: str) -> Object:
    spec: Object = {"interval": "1m"}
    status: Object = {
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "lastTransitionTime": created}
        ]
    }
    if owner.kind is kinds.KUSTOMIZATION:
        source = {"kind": "GitRepository", "name": "fleet"}
        spec |= {"path": f"./{owner.name}", "prune": True, "sourceRef": source}
        entries = [{"id": f"{namespace}_{name}_kubevirt.io_VirtualMachine", "v": "v1"} for name in names]
        status["inventory"] = {"entries": entries}
    else:
        chart = {"chart": owner.name, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
        spec |= {"chart": {"spec": chart}, "targetNamespace": namespace, "driftDetection": {"mode": "enabled"}}
    return long_made(owner.kind, owner.namespace, owner.name, created, spec=spec, status=status)
