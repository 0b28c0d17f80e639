"""Disks that do not fill: kubevirt-api.md 6.4 and 9.3.

Waiting for a first consumer, a restart for scratch space and a progress of N/A are no trouble.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from kvtui.joins.causes import NOT_BEGUN, Cause, Theme, find_import_cause
from kvtui.joins.claims import volumes_of_claim
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataSource, DataVolume
from kvtui.records.kubernetes import Claim, Deployment, Event, Pod, Terminated
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.storage import StorageClass
from kvtui.store import View
from kvtui.text import parse_time, quantity
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.choices import explain_choice
from kvtui.triage.components import find_down
from kvtui.triage.datasources import find_missing, tell_missing
from kvtui.triage.lacks import RESTORE, is_of_lost_claim
from kvtui.triage.messages import Reading, read_message
from kvtui.triage.pace import BEGIN_LIMIT, IMPORT, pace_of
from kvtui.triage.roots import rest_on
from kvtui.triage.scheduling import explain_worker
from kvtui.triage.storage import claim_of_event, explain_claim, explain_helper, name_claim, root_of

_SLOW_PER_GIB: Final = 60.0
"""Seconds per GiB from which a transfer is slow: some 17 MiB/s."""
RESTARTS: Final = 3
"""From how many restarts of its worker on a transfer is in trouble even while the worker runs again."""
REFUSED_LIMIT: Final = 60.0
"""Seconds after which a warning that CDI repeats counts though nothing else shows it."""

UNPLACED_LIMIT: Final = 15.0
"""Seconds for which the scheduler may find no node for a worker: one may be about to get room."""

_WAITS: Final = frozenset({"WaitForFirstConsumer", "PendingPopulation", "UploadReady", "Paused", "Succeeded"})
_REFUSALS: Final = frozenset(
    {
        "ErrClaimNotValid",
        "ErrExceededQuota",
        "ErrResourceExists",
        "ErrStartingPod",
        "ErrUnableToClone",
        "CloneWithoutSource",
        "CloneValidationFailed",
        "CloneSourceInUse",
        "ImportTargetInUse",
        "UploadTargetInUse",
        "NoPopulator",
        "NotFound",
    }
)
"""Reasons of events by which CDI says why it does not begin (kubevirt-api.md 6.4)."""


def explain_import(view: View, backend: str, volume: DataVolume, now: float) -> Cause | None:
    """Why a DataVolume does not fill, in a sentence of its own; None while it fares as it should."""
    told = find_import_cause(volume) or _last_failure(view, backend, volume, now)
    # The words for a worker that no node takes; the worker itself tells more.
    if told is None or (told.evidence.field.endswith(_UNSCHEDULABLE) and _of_worker(view, backend, volume) is not None):
        return None
    meta = volume.metadata
    words = told.evidence.value or told.sentence
    reading = read_message(words) or read_message(told.evidence.field)
    if reading is None:
        step = "read its events; delete it and make it anew" if volume.status.phase == "Failed" else _LOG
        if is_of_lost_claim(view, backend, volume):
            step = RESTORE
        return replace(told, sentence=f"DataVolume {meta.namespace}/{meta.name}: {words}", step=step)
    sentence, step, more = _tell(view, backend, volume, reading)
    return replace(told, sentence=f"DataVolume {meta.namespace}/{meta.name}: {sentence}", step=step, more=more)


_LOG: Final = "read the log of its importer pod"
_UNSCHEDULABLE: Final = "Running=False Unschedulable"


def _last_failure(view: View, backend: str, volume: DataVolume, now: float) -> Cause | None:
    """Why its worker ended the last time, while the next try has not yet got further than that one."""
    until = _on_trial_until(view, backend, volume)
    if until is None or now >= until:
        return None
    pod, ended = _last_end(view, backend, volume)
    assert pod is not None
    assert ended is not None
    words = ended.message or ended.reason
    since = parse_time(ended.finished_at)
    evidence = Evidence(f"Pod {pod.metadata.name}", f"lastState.terminated {ended.reason}", words, since)
    meta = volume.metadata
    culprit = (DataVolume.KIND, meta.namespace, meta.name)
    return Cause(Theme.IMPORT, f"DataVolume {meta.namespace}/{meta.name}: {words}", evidence, culprit)


def _on_trial_until(view: View, backend: str, volume: DataVolume) -> float | None:
    """Until when a worker that runs again has to run to have got further than before; None where none has failed."""
    running = find_condition(volume.status.conditions, "Running")
    began = parse_time(running.last_transition_time) if running is not None and running.status == "True" else None
    _, ended = _last_end(view, backend, volume) if volume.status.restart_count else (None, None)
    last, failed = (parse_time(ended.started_at), parse_time(ended.finished_at)) if ended is not None else (None, None)
    if began is None or failed is None:
        return None
    return began + max(_TRIAL, _LONGER * (failed - (last if last is not None else failed)))


_TRIAL: Final = 60.0
"""Seconds at least that a worker must run before what ended it the last time counts as over."""
_LONGER: Final = 1.5
"""How many times as long as its last run."""


def _last_end(view: View, backend: str, volume: DataVolume) -> tuple[Pod | None, Terminated | None]:
    """The worker pod of a DataVolume and how its container failed the last time."""
    for pod in _workers(view, backend, volume):
        statuses = pod.status.container_statuses
        ended = next((found for status in statuses if (found := status.last_state.terminated)), None)
        if ended is not None and ended.exit_code:
            return pod, ended
    return None, None


def _workers(view: View, backend: str, volume: DataVolume) -> Iterator[Pod]:
    """The pods that fill it (names: kubevirt-api.md 2.6)."""
    namespace, name = volume.metadata.namespace, volume.status.claim_name or volume.metadata.name
    claim = view.get(Claim, backend, namespace, name)
    claims = (f"prime-{claim.metadata.uid}", name) if claim is not None else (name,)
    for worker in ("importer", "cdi-upload"):
        for one in claims:
            pod = view.get(Pod, backend, namespace, f"{worker}-{one}")
            if pod is not None:
                yield pod


def _tell(view: View, backend: str, volume: DataVolume, reading: Reading) -> tuple[str, str, tuple[Evidence, ...]]:
    """Sentence, step and more evidence: what the DataVolume itself says of its source goes with the message."""
    subject, source = f"DataVolume {volume.metadata.name}", volume.spec.source
    sentence, step = reading.sentence.strip(), reading.step
    if "oom" in reading.parts:
        limit = _limit_of_worker(view, backend, volume)
        if limit is not None:
            return f"its importer needs more memory than its limit, {limit.value}, and is OOMKilled", step, (limit,)
    if pod := reading.parts.get("pod"):
        return (*_tell_user(_vm_in(view, backend, pod), pod, reading.parts["claim"], volume), ())
    remote = next((one for one in (source.http, source.s3, source.gcs, source.registry) if one is not None), None) if (
        source is not None
    ) else None  # fmt: skip
    if remote is None or not remote.url or not _OF_URL & reading.parts.keys():
        return sentence, step, ()
    kind = "http" if source is not None and source.http is not None else "source"
    more = [Evidence(subject, f"spec.source.{kind}.url", remote.url)]
    if "code" in reading.parts:
        sentence = f"{sentence} for {remote.url}"
        if reading.parts["code"] in ("401", "403"):
            secret = f'with secret "{remote.secret_ref}"' if remote.secret_ref else "and spec.source names no secretRef"
            sentence = f"{sentence}, {secret}"
            if remote.secret_ref:
                step = f"correct user and password in secret {remote.secret_ref}"
    elif "authority" in reading.parts:
        sentence = f"{sentence}: {remote.url}"
    return sentence, step, tuple(more)


def _limit_of_worker(view: View, backend: str, volume: DataVolume) -> Evidence | None:
    """How much memory the worker may have that ended last; None where its pod is gone, or has no limit."""
    pod, _ = _last_end(view, backend, volume)
    if pod is None:
        return None
    limits = (container.resources.limits.get("memory", "") for container in pod.spec.containers)
    limit = next(filter(None, limits), "")
    return Evidence(f"Pod {pod.metadata.name}", "resources.limits.memory", limit) if limit else None


_OF_URL: Final = frozenset({"code", "authority", "wanted"})
"""Parts of messages that are about what came from the URL."""


def _tell_user(vm: str, pod: str, claim: str, volume: DataVolume) -> tuple[str, str]:
    """Who uses a claim that CDI needs for itself, be it the one that it copies or the one that it fills."""
    user = f"VM {vm}" if vm else f"pod {pod}"
    copied = claim != (volume.status.claim_name or volume.metadata.name)
    what = "a copy" if copied else "the import"
    other = ", or copy from a snapshot" if copied else ""
    return f"{user} uses PVC {claim}, and {what} needs it for itself", f"stop {user} until it is done{other}"


def _vm_in(view: View, backend: str, path: str) -> str:
    """The VM that a launcher pod runs, as ``namespace/name``; empty for any other pod."""
    namespace, _, name = path.partition("/")
    pod = view.get(Pod, backend, namespace, name)
    owner = pod.controller if pod is not None else None
    return f"{namespace}/{owner.name}" if owner is not None and owner.kind == VirtualMachineInstance.KIND else ""


def _since(volume: DataVolume, told: float | None) -> float | None:
    """Since when it is in trouble: what is told of it begins anew with each worker pod, the import does not."""
    return volume.created if volume.status.restart_count else told


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    volume = view.find(DataVolume, ref)
    if volume is None or volume.metadata.deletion_timestamp or volume.status.phase == "Succeeded":
        return WELL
    if is_of_lost_claim(view, ref.backend, volume):
        # The rule of layers tells it, with the claim at fault.
        return WELL
    cause = explain_import(view, ref.backend, volume, now)
    restarts = volume.status.restart_count
    if cause is not None:
        words = cause.sentence.partition(": ")[2] or cause.sentence
        again = f" (restarted {_times(restarts)})" if restarts else ""
        trouble = "has failed" if volume.status.phase == "Failed" else "does not fill"
        evidence = (cause.evidence, *cause.more)
        since = _since(volume, cause.evidence.since)
        finding = _finding(ref, Severity.BAD, trouble, words + again, since, evidence, cause.step)
        return Judgement(finding, _on_trial_until(view, ref.backend, volume))
    if volume.status.phase in _WAITS:
        return WELL
    if restarts >= RESTARTS:
        evidence = (Evidence(f"DataVolume {ref.name}", "restartCount", str(restarts)),)
        words = f"its worker was restarted {_times(restarts)} and runs again"
        step = "read the previous log of its importer pod"
        running = find_condition(volume.status.conditions, "Running")
        since = _since(volume, parse_time(running.last_transition_time) if running is not None else None)
        return Judgement(_finding(ref, Severity.WARN, "crashes again and again", words, since, evidence, step))
    if volume.status.phase in NOT_BEGUN:
        return _judge_waiting(view, volume, ref, now)
    return _judge_copy(view, volume, ref, now) or _judge_filling(view, volume, ref, now)


def _judge_filling(view: View, volume: DataVolume, ref: Ref, now: float) -> Judgement:
    """One that fills: for large disks that is a matter of hours, and still of no more than so many for each GiB."""
    pace, began = pace_of(view, ref.backend, IMPORT, now), volume.created or now
    asked = volume.spec.storage or volume.spec.pvc
    size = quantity(asked.resources.requests.get("storage")) if asked is not None else None
    slow = began + max(pace.limit, _SLOW_PER_GIB * (size or 0.0) / 2**30)
    if now < slow:
        return Judgement(again=slow)
    done = f", {volume.status.progress}" if "%" in volume.status.progress else ""
    usual = f", {pace.tell()}" if pace.usual is not None else ""
    words = f"it is still in {volume.status.phase}{done}{usual}"
    evidence = (pace.evidence(f"DataVolume {ref.name}", f"phase {volume.status.phase}", began),)
    return Judgement(_finding(ref, Severity.INFO, "fills slowly", words, began, evidence, _LOG))


def _judge_copy(view: View, volume: DataVolume, ref: Ref, now: float) -> Judgement | None:
    """A copy that takes long because the storage does not copy by itself (row 48)."""
    claim = view.get(Claim, ref.backend, ref.namespace, volume.status.claim_name or ref.name)
    reason = claim.metadata.annotations.clone_fallback if claim is not None else ""
    if volume.status.phase != "CloneInProgress" or not reason:
        return None
    running = find_condition(volume.status.conditions, "Running")
    since = (parse_time(running.last_transition_time) if running is not None else None) or volume.created or now
    if now < since + COPY_LIMIT:
        return Judgement(again=since + COPY_LIMIT)
    evidence = (Evidence(f"PVC {ref.name}", "cdi.kubevirt.io/cloneFallbackReason", reason, since),)
    words = f"it is copied byte by byte, for the storage does not do it: {reason}"
    step = _COPY_STEPS.get(reason, "let source and target be of one storage class, with the same volumeMode")
    return Judgement(_finding(ref, Severity.INFO, "fills slowly", words, since, evidence, step))


COPY_LIMIT: Final = 300.0
"""Seconds after which a copy is slow that the storage itself would have made at once."""
_COPY_STEPS: Final = {
    "No compatible volumesnapshotclass found": "create a VolumeSnapshotClass of the same driver for the next one",
}
"""By CDI's words: pkg/controller/clone/planner.go."""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _judge_waiting(view: View, volume: DataVolume, ref: Ref, now: float) -> Judgement:
    """One that has not begun."""
    cause, late = _explain_wait(view, ref, volume, now)
    if now < late:
        return Judgement(again=late)
    evidence = (cause.evidence, *cause.more)
    since = volume.created or now
    finding = _finding(ref, Severity.WARN, "does not begin", cause.sentence, since, evidence, cause.step)
    return Judgement(
        rest_on(finding, cause) if cause.obstacle is not None else replace(finding, root=root_of(ref, cause))
    )


def tell_wait(view: View, backend: str, volume: DataVolume, now: float) -> tuple[Cause | None, float | None]:
    """Why what has this disk cannot use it while its import does not begin, with the DataVolume at fault; None where it
    is not in trouble. And when it will be, where it has not begun: None where it has.
    """
    if volume.status.phase not in NOT_BEGUN or volume.metadata.deletion_timestamp:
        return None, None
    ref = volume.ref(backend)
    cause, late = _explain_wait(view, ref, volume, now)
    if now < late:
        return None, late
    phase = Evidence(f"DataVolume {ref.name}", "status.phase", volume.status.phase or "not set", volume.created)
    sentence = f"its disk {ref.name} has not begun to fill"
    culprit = (DataVolume.KIND, ref.namespace, ref.name)
    return Cause(Theme.IMPORT, sentence, phase, culprit, cause.step, over=cause.over), late


def _explain_wait(view: View, ref: Ref, volume: DataVolume, now: float) -> tuple[Cause, float]:
    """What one waits for that has not begun, and from when on that is trouble: what is known counts before silence."""
    since = volume.created or now
    cause = _of_claims(view, volume, ref)
    unplaced = _of_worker(view, ref.backend, volume) if cause is None else None
    if unplaced is not None:
        return unplaced, (unplaced.evidence.since or since) + UNPLACED_LIMIT
    cause = (
        cause
        or _of_source(view, volume, ref)
        or _of_refusal(view, volume, ref)
        or _of_controller(view, volume, ref, now)
    )
    if cause is not None:
        return cause, since + REFUSED_LIMIT
    return _of_silence(volume), since + BEGIN_LIMIT


def _of_worker(view: View, backend: str, volume: DataVolume) -> Cause | None:
    """Why no node takes the pod that is to fill it."""
    for pod in _workers(view, backend, volume):
        cause = explain_worker(view, backend, pod)
        if cause is not None:
            worker = "upload" if pod.metadata.name.startswith("cdi-upload-") else "importer"
            return replace(cause, sentence=f"no node takes its {worker} pod: {cause.sentence}")
    return None


def _of_controller(view: View, volume: DataVolume, ref: Ref, now: float) -> Cause | None:
    """Nobody works on it; or somebody does, and finds no class for its claim."""
    down = find_down(view, ref.backend, _CONTROLLER, now)
    if down is None:
        unclaimed = view.get(Claim, ref.backend, ref.namespace, ref.name) is None
        return explain_choice(view, ref.backend, volume, None) if unclaimed else None
    phase = Evidence(f"DataVolume {ref.name}", "status.phase", volume.status.phase or "not set", volume.created)
    sentence = f"nobody works on it: {_CONTROLLER} has no ready pod"
    return Cause(Theme.IMPORT, sentence, phase, (down.kind, down.namespace, down.name))


def _of_silence(volume: DataVolume) -> Cause:
    """What there is to say where nothing tells why."""
    name, phase = f"DataVolume {volume.metadata.name}", volume.status.phase or "not set"
    bound = find_condition(volume.status.conditions, "Bound")
    if bound is not None and bound.status == "False":
        words, told = bound.message or bound.reason, parse_time(bound.last_transition_time)
        evidence = Evidence(name, f"Bound=False {bound.reason}", words, told)
        return Cause(Theme.IMPORT, words, evidence, step=_EVENTS)
    words = f"its phase is {phase} and no condition says why"
    return Cause(Theme.IMPORT, words, Evidence(name, "status.phase", phase, volume.created), step=_EVENTS)


_EVENTS: Final = "read its events"
_CONTROLLER: Final = "cdi-deployment"


def _of_source(view: View, volume: DataVolume, ref: Ref) -> Cause | None:
    """The DataSource that it is to be copied from, where there is no image behind that."""
    namespace, _, name = volume.source_path.partition("/")
    source = view.get(DataSource, ref.backend, namespace, name) if name else None
    if source is None or find_missing(source) is None:
        return None
    sentence = f"its DataSource {volume.source_path} has no image: {tell_missing(source)}"
    evidence = Evidence(f"DataVolume {ref.name}", "spec.sourceRef", volume.source_path)
    return Cause(Theme.IMPORT, sentence, evidence, (DataSource.KIND, namespace, name), "import the image anew")


def _of_claims(view: View, volume: DataVolume, ref: Ref) -> Cause | None:
    """What is wrong with its claim, or with the one that CDI fills in its stead."""
    claim = view.get(Claim, ref.backend, ref.namespace, volume.status.claim_name or ref.name)
    if claim is None:
        return None
    helped = explain_helper(view, ref.backend, claim)
    if helped is not None:
        return helped
    cause = explain_claim(view, ref.backend, claim)
    culprit = (Claim.KIND, ref.namespace, claim.metadata.name)
    return replace(cause, sentence=f"its {name_claim(claim)}", culprit=culprit, more=()) if cause is not None else None


def _of_refusal(view: View, volume: DataVolume, ref: Ref) -> Cause | None:
    """The newest warning by which CDI says why it does not begin."""
    about = view.linked(Event, ref.backend, "about", volume.metadata.uid) if volume.metadata.uid else ()
    told = [event for _, event in about if event.type == "Warning" and event.reason in _REFUSALS]
    event = max(told, key=lambda event: event.last_seen or 0.0, default=None)
    if event is None:
        return None
    reading = read_message(event.message)
    evidence = Evidence(f"Event of DataVolume {ref.name}", event.reason, event.message, event.first_seen)
    if reading is None:
        return Cause(Theme.IMPORT, event.message or event.reason, evidence, step=_EVENTS)
    if "no_class" in reading.parts:
        if view.get(Claim, ref.backend, ref.namespace, ref.name) is not None:
            # CDI has made its claim since.
            return None
        cause = explain_choice(view, ref.backend, volume, evidence)
        if cause is not None:
            return cause
    sentence, step, more = _tell(view, ref.backend, volume, reading)
    return Cause(Theme.IMPORT, sentence, evidence, step=step or _EVENTS, more=more)


def _finding(
    ref: Ref,
    severity: Severity,
    trouble: str,
    cause: str,
    since: float | None,
    evidence: tuple[Evidence, ...] = (),
    step: str = "",
) -> Finding:
    return Finding("import.state", severity, ref, "import", trouble, cause, since, evidence, step)


def refuses(event: Event) -> bool:
    """Whether CDI says by it why it does not begin with a DataVolume."""
    return event.involved_object.kind == DataVolume.KIND and event.reason in _REFUSALS


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    about, claim = event.involved_object, claim_of_event(view, ref, event)
    if claim is not None:
        return volumes_of_claim(view, claim.ref(ref.backend), claim)
    volume = view.get(DataVolume, ref.backend, about.namespace, about.name) if refuses(event) else None
    return (volume.ref(ref.backend),) if volume is not None else ()


def _of_pod(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
    """What CDI's controller works on, and what a worker fills: by its claim, or by the one that this is made for."""
    if pod.component == _CONTROLLER:
        return (found for found, _ in view.linked(DataVolume, ref.backend, "worker", _CONTROLLER))
    owner = pod.controller
    if owner is None or owner.kind != Claim.KIND:
        return ()
    claim = view.get(Claim, ref.backend, ref.namespace, owner.name)
    above = claim.controller if claim is not None else None
    name = above.name if above is not None and above.kind == Claim.KIND else owner.name
    return (found for found, _ in view.linked(DataVolume, ref.backend, "claim", f"{ref.namespace}/{name}"))


def _of_deployment(view: View, ref: Ref, _record: Deployment) -> Iterable[Ref]:
    named = ref.name == _CONTROLLER
    return (found for found, _ in view.linked(DataVolume, ref.backend, "worker", _CONTROLLER)) if named else ()


def _of_data_source(view: View, ref: Ref, _record: DataSource) -> Iterable[Ref]:
    return (found for found, _ in view.linked(DataVolume, ref.backend, "source", ref.path))


def unbegun(view: View, ref: Ref, _record: StorageClass) -> Iterable[Ref]:
    """For `related`: the DataVolumes that have not begun, which may ask for any of the classes that there are."""
    working = view.linked(DataVolume, ref.backend, "worker", _CONTROLLER)
    return (found for found, volume in working if volume.status.phase in NOT_BEGUN)


RULES = (
    Rule(
        "import.state",
        _judge,
        {
            DataVolume: itself,
            Claim: volumes_of_claim,
            Event: _of_event,
            Pod: _of_pod,
            Deployment: _of_deployment,
            DataSource: _of_data_source,
            StorageClass: unbegun,
        },
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a DataVolume that failed, does not begin or fill, fills slowly, or whose worker crashes on and on",
        severities="bad, warn, info",
    ),
)
