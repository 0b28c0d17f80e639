"""Applications of Argo CD, as it writes them."""

from __future__ import annotations

from tests.machines import Object


def application(namespace: str, name: str, at: str) -> Object:
    """As Argo CD leaves it after a self-heal of a VM at that time: what is asked for names no namespace, what came of
    it does.
    """
    source = {"repoURL": "https://git.example.org/fleet.git", "path": "web", "targetRevision": "HEAD"}
    named = {"group": "kubevirt.io", "kind": "VirtualMachine", "name": name}
    result = {
        **named,
        "version": "v1",
        "namespace": namespace,
        "status": "Synced",
        "message": f"virtualmachine.kubevirt.io/{name} configured",
        "hookPhase": "Running",
        "syncPhase": "Sync",
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "uid-app"},
        "spec": {
            "project": "default",
            "destination": {"namespace": namespace, "server": "https://kubernetes.default.svc"},
            "source": source,
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {
            "health": {"status": "Healthy"},
            "sync": {"status": "Synced", "revision": "5f2c1e"},
            "reconciledAt": at,
            "resources": [{**named, "version": "v1", "namespace": namespace, "status": "Synced"}],
            "operationState": {
                "operation": {
                    "initiatedBy": {"automated": True},
                    "retry": {"limit": 5},
                    "sync": {"prune": True, "revision": "5f2c1e", "autoHealAttemptsCount": 1, "resources": [named]},
                },
                "phase": "Succeeded",
                "message": "successfully synced (all tasks run)",
                "startedAt": at,
                "finishedAt": at,
                "syncResult": {"revision": "5f2c1e", "source": source, "resources": [result]},
            },
        },
    }
