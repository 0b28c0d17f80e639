"""The pods that KubeVirt and CDI are made of: which of them do not run, and what nobody does meanwhile.

Evidence: kubevirt-api.md 9.7, rows 92, 93, 96, 98, 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.joins.readiness import tell_unready
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubernetes import ApiService, ContainerStatus, Deployment, Node, Pod, Terminated
from kvtui.records.kubevirt import KubeVirt
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself
from kvtui.triage.messages import read_message

HANDLER: Final = "virt-handler"
SETTLE: Final = 30.0
"""Seconds that a pod may be down: it is started again, or another is made."""
UNREADY_LIMIT: Final = 180.0
"""Seconds that a pod may take to get ready while it complains of nothing."""
_LINGER: Final = 30.0
"""A container that crashes again and again is ready for moments."""
_BENIGN_WAITS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_CRASHES: Final = 2
"""Restarts from which on a container that crashed does so again and again: no history is needed to tell."""
_STABLE: Final = 600.0
"""Seconds of running after which the kubelet forgets that a container crashed."""
_PROOF: Final = 60.0
"""Seconds that a container which crashed again and again must be ready at the least before it is believed."""

_WITHOUT: Final = {
    "virt-api": (Severity.BAD, "no VM can be started, stopped or opened"),
    "virt-controller": (Severity.BAD, "nothing that is asked for happens"),
    "virt-operator": (Severity.WARN, "KubeVirt itself is neither mended nor updated"),
    "cdi-deployment": (Severity.WARN, "no disk is imported, copied or uploaded"),
    "cdi-apiserver": (Severity.WARN, "no DataVolume can be made, and no upload begins"),
    "cdi-uploadproxy": (Severity.WARN, "no image can be uploaded"),
}
"""What is not done while no pod of a Deployment is ready."""


@dataclass(frozen=True, slots=True)
class PodTrouble:
    """Why a pod is not ready."""

    sentence: str
    evidence: Evidence
    step: str
    ripe: float
    """From when on it is no ordinary start, in seconds since the epoch."""
    since: float | None
    """When it was ready last; None where crashes between which it was ready for moments hide that."""
    run: float | None = None
    """When its last run began, which a crash ended."""


def read_pod(pod: Pod, now: float) -> PodTrouble | None:
    """Why a pod is not ready, or will not be for long; None of one that is, and of one that is being deleted or has
    ended: others replace it.
    """
    ready = find_condition(pod.status.conditions, "Ready")
    if not _is_living(pod) or _is_ready(pod, now):
        return None
    since = (parse_time(ready.last_transition_time) if ready is not None else None) or pod.created or 0.0
    name = f"Pod {pod.metadata.name}"
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if (told := _read_container(pod, status, since)) is not None:
            return told
    scheduled = find_condition(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        words = scheduled.message or scheduled.reason
        evidence = Evidence(name, f"PodScheduled=False {scheduled.reason}".rstrip(), words, since)
        return PodTrouble(
            f"no node takes it: {words}", evidence, "make room, or see its tolerations", since + SETTLE, since
        )
    if ready is None:
        evidence = Evidence(name, "phase", pod.status.phase, since)
        step = f"kubectl describe pod -n {pod.metadata.namespace} {pod.metadata.name}"
        return PodTrouble(f"its phase is {pod.status.phase}", evidence, step, since + UNREADY_LIMIT, since)
    words, step = tell_unready(pod, ready)
    evidence = Evidence(name, f"Ready=False {ready.reason}".rstrip(), ready.message, since)
    return PodTrouble(words, evidence, step, since + UNREADY_LIMIT, since)


def _is_living(pod: Pod) -> bool:
    return not pod.metadata.deletion_timestamp and pod.status.phase not in {"Failed", "Succeeded"}


def _is_ready(pod: Pod, now: float) -> bool:
    return is_true(pod.status.conditions, "Ready") and _is_living(pod) and proven_at(pod) <= now


def proven_at(pod: Pod) -> float:
    """When a pod whose containers crash again and again is to be believed that it is ready: once it has been so for as
    long as the last run lasted. Seconds since the epoch; 0 of one that does not crash.
    """
    ready = find_condition(pod.status.conditions, "Ready")
    since = parse_time(ready.last_transition_time) if ready is not None and ready.status == "True" else None
    runs = [run for status in pod.status.container_statuses if (run := _short_run(status)) is not None]
    return since + max(_PROOF, *runs) if since is not None and runs else 0.0


def _short_run(status: ContainerStatus) -> float | None:
    """How long a container that crashes again and again ran before it crashed last, in seconds."""
    last = status.last_state.terminated
    if status.restart_count < _CRASHES or last is None or not _is_crash(last):
        return None
    began, ended = parse_time(last.started_at), parse_time(last.finished_at)
    return ended - began if began is not None and ended is not None and ended - began < _STABLE else None


def _is_crash(ended: Terminated) -> bool:
    return bool(ended.exit_code) or ended.reason == _OOM


_OOM: Final = "OOMKilled"


def _give_memory(pod: Pod, name: str) -> str:
    """Where more memory is to be had. What killed a container without a limit, no object tells."""
    asked = next((one.resources for one in pod.spec.containers if one.name == name), None)
    limit = asked.limits.get("memory", "") if asked is not None else ""
    where = _place_to_change(pod)
    if limit:
        return f"raise limits.memory of container {name}, now {limit}, {where}"
    node = f", kubectl top node {pod.spec.node_name}" if pod.spec.node_name else ""
    return (
        f"see what it takes and what its node has left (kubectl top pod -n {pod.metadata.namespace}{node}), "
        f"as container {name} has no limits.memory; or raise its requests.memory {where}"
    )


def _place_to_change(pod: Pod) -> str:
    """An operator puts back what is changed in what it installs; itself it does not."""
    namespace = pod.metadata.namespace
    if pod.component.endswith("-operator"):
        return f"in its Deployment: kubectl edit deployment -n {namespace} {pod.component}"
    resource = f"kubevirt -n {namespace}" if pod.component.startswith("virt-") else "cdi"
    return f"by a patch in spec.customizeComponents (any other change its operator puts back): kubectl edit {resource}"


def _read_container(of: Pod, status: ContainerStatus, since: float) -> PodTrouble | None:
    pod = f"Pod {of.metadata.name}"
    waiting = status.state.waiting
    again = _short_run(status) is not None or (waiting is not None and status.restart_count >= _CRASHES)
    last = status.state.terminated or (status.last_state.terminated if again or waiting is not None else None)
    if waiting is not None and waiting.reason in _BENIGN_WAITS:
        return None
    ripe = 0.0 if again else since + SETTLE
    run = parse_time(last.started_at) if last is not None else None
    unready = since if not again or run is None or since < run else None
    if last is not None and _is_crash(last):
        how = f"{last.reason or 'ended'}, exit code {last.exit_code}"
        times = f", restarted {status.restart_count} times" if status.restart_count > 1 else ""
        ended = parse_time(last.finished_at) or since
        step = _give_memory(of, status.name) if last.reason == _OOM else f"read the last log of {status.name}"
        state = "state" if status.state.terminated is not None else "lastState"
        evidence = Evidence(pod, f"container {status.name} {state}.terminated", how, ended)
        words = f"container {status.name} does not stay up ({how}{times})"
        return PodTrouble(words, evidence, step, ripe, unready, run)
    if waiting is None:
        return None
    reading = read_message(waiting.message)
    words = reading.sentence if reading is not None else f"{waiting.reason}: {waiting.message}".rstrip(": ")
    evidence = Evidence(pod, f"container {status.name} waiting {waiting.reason}", waiting.message, since)
    step = reading.step if reading is not None else f"read the log of {status.name}"
    return PodTrouble(f"container {status.name} waits: {words}", evidence, step, ripe, unready)


def handlers_of_node(view: View, backend: str, node: str) -> list[Pod]:
    """The virt-handler pods on a node, those that are being deleted among them."""
    return [pod for _, pod in view.linked(Pod, backend, "component on", node) if pod.component == HANDLER]


def find_handler_trouble(view: View, backend: str, node: str, now: float) -> tuple[Pod, PodTrouble] | None:
    """The virt-handler pod of a node that does not run."""
    for pod in handlers_of_node(view, backend, node):
        if (told := read_pod(pod, now)) is not None:
            return pod, told
    return None


def find_holdup(view: View, backend: str, namespace: str, now: float) -> tuple[Pod, PodTrouble] | None:
    """The pod of KubeVirt that is down for longest: an update waits for it."""
    found = [
        (told.ripe, pod.metadata.name, pod, told)
        for _, pod in view.linked(Pod, backend, "components", namespace)
        if (told := read_pod(pod, now)) is not None and told.ripe <= now
    ]
    _, _, pod, trouble = min(found, key=lambda item: item[:2], default=(0.0, "", None, None))
    return (pod, trouble) if pod is not None and trouble is not None else None


def deployment_ref(backend: str, namespace: str, component: str) -> Ref:
    """A Deployment of KubeVirt or CDI as a subject, whether it is seen or only its pods are."""
    return Ref(backend, "Deployment", namespace, component)


def _judge_pod(view: View, ref: Ref, now: float) -> Judgement:
    pod = view.find(Pod, ref)
    if pod is None or not pod.component:
        return WELL
    trouble = read_pod(pod, now)
    if trouble is None:
        return WELL
    if now < trouble.ripe:
        return Judgement(again=trouble.ripe)
    node, cause = pod.spec.node_name, trouble.sentence
    if pod.component == HANDLER and node:
        cause = f"KubeVirt does nothing on node {node}: {cause}"
    finding = Finding(
        "component.pod", Severity.WARN, ref, "pod", "does not run", cause, trouble.since,
        (trouble.evidence,), trouble.step, _root_of_pod(view, ref, pod, now),
    )  # fmt: skip
    proven = proven_at(pod)
    return Judgement(finding, proven if proven > now else None)


def _root_of_pod(view: View, ref: Ref, pod: Pod, now: float) -> Ref | None:
    """Its node where that is lost; its Deployment where no other pod does its work."""
    node = view.get(Node, ref.backend, "", pod.spec.node_name) if pod.spec.node_name else None
    if node is not None and not is_true(node.status.conditions, "Ready"):
        return node.ref(ref.backend)
    namespace = pod.metadata.namespace
    pods = _pods_of(view, ref.backend, namespace, pod.component)
    if pod.component not in _WITHOUT or any(_is_ready(one, now) for one in pods):
        return None
    return deployment_ref(ref.backend, namespace, pod.component)


def _pods_of(view: View, backend: str, namespace: str, component: str) -> list[Pod]:
    linked = view.linked(Pod, backend, "component", component)
    return [pod for _, pod in linked if pod.metadata.namespace == namespace]


def _judge_deployment(view: View, ref: Ref, now: float) -> Judgement:
    pods = _pods_of(view, ref.backend, ref.namespace, ref.name)
    if any(_is_ready(pod, now) for pod in pods):
        return WELL
    severity, without = _WITHOUT[ref.name]
    record = view.find(Deployment, ref)
    subject = record.ref(ref.backend) if record is not None else ref
    told = sorted((trouble for pod in pods if (trouble := read_pod(pod, now)) is not None), key=lambda one: one.ripe)
    if not told:
        unmade = _tell_unmade(view, ref, record)
        if unmade is None:
            return WELL
        words, step, more = unmade
        cause = f"{without}: {words}"
        since = more[0].since if more else None
        return Judgement(Finding(_READY, severity, subject, "deployment", _NONE_READY, cause, since, more, step))
    if now < told[0].ripe:
        return Judgement(again=told[0].ripe)
    evidence = tuple(trouble.evidence for trouble in told)
    cause = f"{without}: {told[0].sentence}"
    return Judgement(
        Finding(
            _READY, severity, subject, "deployment", _NONE_READY, cause, _down_since(record, pods, told), evidence,
            told[0].step, _common_node(view, ref.backend, pods),
        ),
        min((at for at in map(proven_at, pods) if at > now), default=None),
    )  # fmt: skip


def _down_since(record: Deployment | None, pods: Sequence[Pod], told: Sequence[PodTrouble]) -> float | None:
    """Since when none of its pods is ready, as far as that is known."""
    unready = [trouble.since for trouble in told if trouble.since is not None]
    latest = max(unready) if len(unready) == len(told) else None
    if latest is not None and not all(map(_never_ready, pods)):
        return latest
    lacking = _lacking_since(record, told)
    return lacking if lacking is not None else latest


def _lacking_since(record: Deployment | None, told: Sequence[PodTrouble]) -> float | None:
    """Since when it says of itself that too few of its pods are ready, be they others by now; None where the crashes of
    these changed that for moments.
    """
    available = find_condition(record.status.conditions, "Available") if record is not None else None
    if available is None or available.status != "False":
        return None
    since = parse_time(available.last_transition_time)
    return since if since is not None and all(since < one.run for one in told if one.run is not None) else None


def _never_ready(pod: Pod) -> bool:
    """Whether it has not been ready since it was made: it does not tell of those before it."""
    ready = find_condition(pod.status.conditions, "Ready")
    since = parse_time(ready.last_transition_time) if ready is not None else None
    return since is None or pod.created is None or since < pod.created + SETTLE


_READY: Final = "component.ready"
_NONE_READY: Final = "has no ready pod"


def _tell_unmade(view: View, ref: Ref, record: Deployment | None) -> tuple[str, str, tuple[Evidence, ...]] | None:
    """Why none of its pods is seen: sentence, step, evidence; None while it may have some that are not watched."""
    name = f"Deployment {ref.name}"
    describe = f"kubectl describe deployment -n {ref.namespace} {ref.name}"
    if record is None or record.metadata.deletion_timestamp:
        return (f"no pod of it is in namespace {ref.namespace}", describe, ()) if _is_installed(view, ref) else None
    if record.status.ready_replicas:
        return None
    if not record.spec.replicas:
        scale = f"kubectl scale deployment -n {ref.namespace} {ref.name} --replicas=1"
        return "somebody scaled it to 0", scale, (Evidence(name, "spec.replicas", "0"),)
    available = find_condition(record.status.conditions, "Available")
    if available is None or available.status == "True":
        return None
    since = parse_time(available.last_transition_time)
    words = available.message or available.reason
    return words, describe, (Evidence(name, f"Available={available.status} {available.reason}".rstrip(), words, since),)


def find_down(view: View, backend: str, component: str, now: float) -> Ref | None:
    """The Deployment of a component of which no pod is ready."""
    pods = [pod for _, pod in view.linked(Pod, backend, "component", component)]
    if any(_is_ready(pod, now) for pod in pods):
        return None
    if pods:
        return deployment_ref(backend, pods[0].metadata.namespace, component)
    # Pods of other namespaces may not be seen: then its own status tells.
    for ref, record in view.items(Deployment, backend):
        if ref.name == component and not record.status.ready_replicas:
            return deployment_ref(backend, ref.namespace, component)
    return None


def _common_node(view: View, backend: str, pods: Sequence[Pod]) -> Ref | None:
    """The lost node that all of them are on."""
    names = {pod.spec.node_name for pod in pods}
    node = view.get(Node, backend, "", names.pop()) if len(names) == 1 else None
    return node.ref(backend) if node is not None and not is_true(node.status.conditions, "Ready") else None


def _is_installed(view: View, ref: Ref) -> bool:
    """Whether it is KubeVirt's, which is there to stay, and whose pods are seen: an account may be bound to other
    namespaces.
    """
    if not ref.name.startswith("virt-"):
        return False
    here = [record for found, record in view.items(KubeVirt, ref.backend) if found.namespace == ref.namespace]
    whole = not any(one.metadata.deletion_timestamp or is_true(one.status.conditions, "Progressing") for one in here)
    return bool(here) and whole and bool(view.linked(Pod, ref.backend, "components", ref.namespace))


def _siblings(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    """Whether a pod has a sibling that does its work decides what its own trouble stands for."""
    if pod.component in _WITHOUT:
        for found, other in view.linked(Pod, ref.backend, "component", pod.component):
            if other.metadata.namespace == ref.namespace:
                yield found


def _pods_touched(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
    return dict.fromkeys((ref, *_siblings(view, ref, pod))) if pod.component else ()


def _pods_on_node(view: View, ref: Ref, _node: Node) -> Iterable[Ref]:
    return (found for found, _ in view.linked(Pod, ref.backend, "component on", ref.name))


def _deployments(_view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    if pod.component:
        for component in _WITHOUT:
            yield deployment_ref(ref.backend, ref.namespace, component)


def _deployments_of_kubevirt(_view: View, ref: Ref, _record: KubeVirt) -> Iterator[Ref]:
    for component in _WITHOUT:
        yield deployment_ref(ref.backend, ref.namespace, component)


def _deployment_itself(_view: View, ref: Ref, _record: Deployment) -> Iterator[Ref]:
    if ref.name in _WITHOUT:
        yield deployment_ref(ref.backend, ref.namespace, ref.name)


def _deployments_on_node(view: View, ref: Ref, _node: Node) -> Iterator[Ref]:
    for _, pod in view.linked(Pod, ref.backend, "component on", ref.name):
        if pod.component in _WITHOUT:
            yield deployment_ref(ref.backend, pod.metadata.namespace, pod.component)


def _judge_service(view: View, ref: Ref, now: float) -> Judgement:
    """An API that is served by pods (KubeVirt's, CDI's, that of the metrics) and is not to be had."""
    record = view.find(ApiService, ref)
    available = find_condition(record.status.conditions, "Available") if record is not None else None
    if record is None or available is None or available.status == "True" or record.metadata.deletion_timestamp:
        return WELL
    service, ours = record.spec.service, record.spec.group.endswith("kubevirt.io")
    words = available.message or available.reason
    root = None
    behind = _BEHIND.get(service.name, service.name) if service is not None else ""
    if service is not None and behind in _WITHOUT:
        pods = _pods_of(view, ref.backend, service.namespace, behind)
        if pods and not any(_is_ready(pod, now) for pod in pods):
            root = deployment_ref(ref.backend, service.namespace, behind)
    step = f"see the pods of service {service.namespace}/{service.name}" if service is not None else ""
    since = parse_time(available.last_transition_time)
    evidence = Evidence(
        f"APIService {ref.name}", f"Available={available.status} {available.reason}".rstrip(), words, since
    )
    severity = Severity.BAD if ours and record.spec.group.startswith("subresources.") else Severity.WARN
    return Judgement(
        Finding(
            "apiservice.available", severity, ref, "API service", "is not available", words, since, (evidence,), step,
            root,
        )
    )  # fmt: skip


_BEHIND: Final = {"cdi-api": "cdi-apiserver"}
"""Services whose Deployment bears another name."""
_SERVICES: Final = {component: service for service, component in _BEHIND.items()}


def _services_of_pod(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    if component := pod.component:
        name = _SERVICES.get(component, component)
        yield from (found for found, _ in view.linked(ApiService, ref.backend, "service", name))


RULES: Final = (
    Rule(
        "component.pod",
        _judge_pod,
        {Pod: _pods_touched, Node: _pods_on_node},
        linger=_LINGER,
        detects="a pod of KubeVirt or CDI itself that crashes, lacks its image, or does not get ready",
        severities="warn",
    ),
    Rule(
        "component.ready",
        _judge_deployment,
        {
            Deployment: _deployment_itself,
            Pod: _deployments,
            Node: _deployments_on_node,
            KubeVirt: _deployments_of_kubevirt,
        },
        settle=SETTLE,
        linger=_LINGER,
        detects="a part of KubeVirt or CDI of which no pod is ready: virt-api, virt-controller, cdi-deployment ...",
        severities="bad, warn",
    ),
    Rule(
        "apiservice.available",
        _judge_service,
        {ApiService: itself, Pod: _services_of_pod},
        settle=SETTLE,
        linger=LINGER,
        detects="an aggregated API, that of VMs' starts and consoles before all, that does not answer",
        severities="bad, warn",
    ),
)
