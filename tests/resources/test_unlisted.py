"""How what is in no list fares by its own word: what is not whole is never called well."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Tone
from kvtui.resources.unlisted import judge_unlisted
from tests.machines import Object, record_of

CORE = "cluster.x-k8s.io/v1beta2"
FROM_KUBEVIRT = "infrastructure.cluster.x-k8s.io/v1alpha1"
LB = {"type": "LoadBalancerAvailable", "status": "False", "reason": "LoadBalancerCreating"}
NO_VM = {"type": "VMProvisioned", "status": "False", "reason": "WaitingForBootstrapData"}
PAUSED = {"type": "Paused", "status": "True", "message": "Cluster spec.paused is set to true"}
NO_SECRET = {"type": "DataSecretAvailable", "status": "False", "reason": "Failed", "message": "no token"}


def made(kind: str, version: str, **parts: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "one", "namespace": "tenants"}, **parts}


def daemons(ready: int) -> Object:
    return made("DaemonSet", "apps/v1", status={"desiredNumberScheduled": 10, "numberReady": ready})


def workers(has: int, **status: Any) -> Object:
    return made("MachineDeployment", CORE, spec={"replicas": 4}, status={"replicas": has, **status})


@pytest.mark.parametrize(
    ("item", "tone", "word", "reason"),
    [
        (daemons(10), Tone.OK, "Ready", "10 of 10 pods are"),
        (daemons(9), Tone.WARN, "In part", "9 of 10 pods are ready"),
        (daemons(0), Tone.BAD, "Not ready", "0 of 10 pods are ready"),
        (workers(4), Tone.OK, "Ready", ""),
        (workers(2), Tone.WARN, "In part", "wants 4 machines and has 2"),
        (workers(2, failureMessage="no quota"), Tone.WARN, "In part", "wants 4 machines and has 2"),
        (workers(4, failureMessage="no quota"), Tone.BAD, "Failed", "no quota"),
        (made("KubevirtCluster", FROM_KUBEVIRT), Tone.OK, "Ready", ""),
        (made("KubevirtCluster", FROM_KUBEVIRT, status={"conditions": [LB]}), Tone.WARN, "Not ready",
         "LoadBalancerAvailable=False: LoadBalancerCreating"),
        (made("KubevirtMachine", FROM_KUBEVIRT, status={"conditions": [PAUSED, NO_VM]}), Tone.WARN, "Not ready",
         "VMProvisioned=False: WaitingForBootstrapData"),
        (workers(4, conditions=[PAUSED]), Tone.WARN, "Paused", "Cluster spec.paused is set to true"),
        (made("KubeadmConfig", f"bootstrap.{CORE}", status={"v1beta2": {"conditions": [NO_SECRET]}}), Tone.WARN,
         "Not ready", "DataSecretAvailable=False: no token"),
    ],
)  # fmt: skip
def test_what_counts_or_complains_says_so(item: Object, tone: Tone, word: str, reason: str) -> None:
    health = judge_unlisted(record_of(item))
    assert health is not None
    assert (health.tone, health.word, health.reason) == (tone, word, reason)


def test_what_tells_nothing_of_itself_is_not_called_well() -> None:
    assert judge_unlisted(record_of(made("CSIDriver", "storage.k8s.io/v1"))) is None
