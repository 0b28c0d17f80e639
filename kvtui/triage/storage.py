"""Claims that get no volume, and storage classes that make none: kubevirt-api.md 9.2, row 13.

A claim of a class that waits for its first consumer is well while nobody uses it, and so is one that CDI fills.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from kvtui.joins.causes import Cause, Theme
from kvtui.joins.ceph import ceph_behind, judge_ceph
from kvtui.joins.claims import filled_by, machines_of_claim
from kvtui.joins.layers import tell_blindness
from kvtui.joins.machine import Machine, join_machine
from kvtui.model import Evidence, FeedState, Finding, Ref, Severity, Tone
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Event
from kvtui.records.kubevirt import Volume
from kvtui.records.storage import CephCluster, CsiDriver, PersistentVolume, StorageClass
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.messages import Reading, read_message

BIND_LIMIT: Final = 60.0
"""Seconds that a claim may be unbound."""


def explain_claim(view: View, backend: str, claim: Claim) -> Cause | None:
    """Why a claim has no volume, in a sentence about it, and what is at fault; None while it is bound, or waits as it
    should.
    """
    if claim.status.phase == "Lost":
        return _of_lost(view, backend, claim)
    if claim.status.phase != "Pending":
        return None
    name, class_ = claim.metadata.name, claim.spec.storage_class_name
    evidence = Evidence(f"PVC {name}", "status.phase", "Pending", claim.created)
    event, reading = read_events(view, backend, claim)
    more = (_evidence_of(claim, event),) if event is not None else ()
    told = Cause(Theme.CLAIM, "", evidence, (Claim.KIND, claim.metadata.namespace, name), more=more)
    classes = {ref.name: found for ref, found in view.items(StorageClass, backend)}
    if class_ and classes and class_ not in classes:
        sentence = f'there is no StorageClass "{class_}"'
        step = f"create StorageClass {class_}, or make the claim anew with one of {', '.join(sorted(classes))}"
        needs = Evidence(f"PVC {name}", "spec.storageClassName", class_)
        return replace(told, sentence=sentence, step=step, more=(needs, *more), culprit=(StorageClass.KIND, "", class_))
    if class_ is None and classes and not any(found.is_default for found in classes.values()):
        sentence = "it names no storage class, and none of the cluster is the default"
        step = f"make one of {', '.join(sorted(classes))} the default, or name one in the claim"
        return replace(told, sentence=sentence, step=step)
    of_class = f'StorageClass "{class_}" has not made its volume' if class_ else "there is no volume for it"
    if event is not None:
        culprit = (StorageClass.KIND, "", class_) if class_ and event.reason == _EXTERNAL else told.culprit
        words = reading.sentence if reading is not None else event.message.partition(". ")[0].rstrip(".")
        step = reading.step if reading is not None else "mend what its event tells"
        found = classes.get(class_ or "")
        if event.reason == _EXTERNAL and found is not None:
            # The class tells what is wrong with it.
            return replace(told, sentence=f'it waits for StorageClass "{class_}"', step=step, culprit=culprit)
        return replace(told, sentence=f"{of_class}: {words}", step=step, culprit=culprit)
    found = classes.get(class_ or "")
    if _is_filled(claim) or found is None or found.waits:
        return None
    blind = tell_blindness(view, backend, Event) is not None
    why = "its events, which may say why, cannot be seen" if blind else "no event says why"
    return replace(told, sentence=f"{of_class}, and {why}", step="read the log of the provisioner of its class")


def explain_helper(view: View, backend: str, claim: Claim) -> Cause | None:
    """Why the claim has no volume that CDI fills in the stead of this one (kubevirt-api.md 2.5), and what is at fault:
    CDI's helper itself never is. None where there is no such helper, or it fares as it should.
    """
    helper = view.get(Claim, backend, claim.metadata.namespace, _helper_name(claim))
    cause = explain_claim(view, backend, helper) if helper is not None else None
    if cause is None or cause.culprit is None or cause.culprit[0] != Claim.KIND:
        return cause
    return replace(cause, culprit=None)


def _helper_name(claim: Claim) -> str:
    return f"prime-{claim.metadata.uid}"


def _helped(view: View, ref: Ref, claim: Claim) -> Claim | None:
    """The claim that CDI fills by this one for a DataVolume; None where it is no such helper."""
    target = filled_by(ref, claim)
    found = view.get(Claim, ref.backend, target.namespace, target.name) if target != ref else None
    return found if found is not None and _is_filled(found) and ref.name == _helper_name(found) else None


def name_claim(claim: Claim) -> str:
    """What stands of it in the sentence for whatever waits for it: ``PVC shop/db-data is Pending``."""
    return f"PVC {claim.metadata.namespace}/{claim.metadata.name} is {claim.status.phase}"


_EXTERNAL: Final = "ExternalProvisioning"


def _of_lost(view: View, backend: str, claim: Claim) -> Cause:
    meta, volume = claim.metadata, claim.spec.volume_name
    found = view.get(PersistentVolume, backend, "", volume) if volume else None
    holder = found.spec.claim_ref if found is not None else None
    sentence = f"its volume {volume} is gone" if volume else "its volume is gone"
    if holder is not None and holder.path != f"{meta.namespace}/{meta.name}":
        sentence = f"its volume {volume} belongs to PVC {holder.path}"
    elif found is not None:
        sentence = f"its volume {volume} is not bound to it any more"
    return Cause(
        Theme.CLAIM,
        sentence,
        Evidence(f"PVC {meta.name}", "status.phase", "Lost"),
        (Claim.KIND, meta.namespace, meta.name),
        "bring its volume back, or restore the disk from a backup",
    )


def explain_io_error(view: View, machine: Machine, told: Cause) -> Cause:
    """Why the storage of a running VM failed it: which volume, on which claim, and the Ceph below that if it is ill.

    Only an event of the instance names the volume (row 24), and events are kept for an hour.
    """
    uid = machine.vmi.metadata.uid if machine.vmi is not None else ""
    events = [event for _, event in view.linked(Event, machine.backend, "about", uid) if event.reason == IO_ERROR]
    newest = max(events, key=lambda event: event.last_seen or 0.0, default=None)
    reading = read_message(newest.message) if newest is not None else None
    ceph = find_broken_ceph(view, machine)
    culprit = (ceph.KIND, ceph.metadata.namespace, ceph.metadata.name) if ceph is not None else None
    found = replace(told, culprit=culprit)
    if newest is None or reading is None:
        return replace(found, step=f"mend {_name_storage(view, machine, machine.claims)}, then unpause it")
    event = Evidence(f"Event of VMI {machine.record.metadata.name}", newest.reason, newest.message, newest.first_seen)
    volume = next((one for one in machine.spec.volumes if one.name == reading.parts.get("volume")), None)
    if volume is None:
        return replace(found, sentence=reading.sentence, step="mend its storage, then unpause it", more=(event,))
    if not volume.claim:
        return replace(_of_node_disk(machine, volume, found), more=(event,))
    claims = [one for one in machine.claims if one.metadata.name == volume.claim]
    of_claim = f" ({', '.join(_tell_claim(one) for one in claims)})" if claims else ""
    step = f"mend {_name_storage(view, machine, claims)}, then unpause it"
    return replace(found, sentence=f"{reading.sentence}{of_claim}", step=step, more=(event,))


def _of_node_disk(machine: Machine, volume: Volume, found: Cause) -> Cause:
    """What a guest writes to a disk without a claim lies on its node: in the folder of its launcher pod."""
    name = machine.live.status.node_name if machine.live is not None else ""
    node = f"node {name}" if name else "its node"
    kind = "containerDisk" if volume.container_disk is not None else "disk without a claim"
    sentence = f"IO error at its volume {volume.name}: what it writes to this {kind} lies on the disk of {node}"
    return replace(found, sentence=sentence, step=f"see whether the disk of {node} is full or fails, then unpause it")


def _name_storage(view: View, machine: Machine, claims: Sequence[Claim]) -> str:
    """``PVC shop/db-data (driver rbd.csi.ceph.com)``, of several all."""
    named = []
    for claim in claims:
        driver = _driver_of(view, machine.backend, claim)
        by = f" (driver {driver})" if driver else ""
        named.append(f"PVC {claim.metadata.namespace}/{claim.metadata.name}{by}")
    return " and ".join(named) or "its storage"


def _driver_of(view: View, backend: str, claim: Claim) -> str:
    """Who serves its volume: by the volume itself, else by its class; empty where neither is seen."""
    volume = view.get(PersistentVolume, backend, "", claim.spec.volume_name)
    if volume is not None and volume.origin:
        return volume.origin
    class_ = view.get(StorageClass, backend, "", claim.spec.storage_class_name or "")
    return class_.provisioner if class_ is not None else ""


def _tell_claim(claim: Claim) -> str:
    class_ = claim.spec.storage_class_name
    of_class = f' of StorageClass "{class_}"' if class_ else ""
    return f"PVC {claim.metadata.namespace}/{claim.metadata.name}{of_class}"


def find_broken_ceph(view: View, machine: Machine) -> CephCluster | None:
    """The Ceph below one of its disks, where that is in error."""
    for claim in machine.claims:
        volume = view.get(PersistentVolume, machine.backend, "", claim.spec.volume_name)
        ceph = ceph_behind(view, machine.backend, volume.origin) if volume is not None else None
        if ceph is not None and judge_ceph(ceph).tone is Tone.BAD:
            return ceph
    return None


IO_ERROR: Final = "IOerror"
"""Reason of the event by which virt-handler names the volume."""


def _is_filled(claim: Claim) -> bool:
    """Whether CDI fills it: the claim stays Pending till all is done (kubevirt-api.md 2.5)."""
    return claim.controller is not None and claim.controller.kind == DataVolume.KIND


def read_events(view: View, backend: str, claim: Claim) -> tuple[Event | None, Reading | None]:
    """The newest event that tells what a claim waits for, which no field of it does, and what it means."""
    about = view.linked(Event, backend, "about", claim.metadata.uid) if claim.metadata.uid else ()
    telling = [event for _, event in about if tells(event)]
    newest = max(telling, key=lambda event: event.last_seen or 0.0, default=None)
    if newest is None or (newest.reason == _EXTERNAL and _is_filled(claim)):
        return None, None
    return newest, read_message(newest.message)


def tells(event: Event) -> bool:
    """Whether an event of a claim says what keeps it from its volume."""
    return event.reason in {_EXTERNAL, "FailedBinding", "ProvisioningFailed"}


def _evidence_of(claim: Claim, event: Event) -> Evidence:
    words = event.message.partition(". ")[0].rstrip(".")
    return Evidence(f"Event of PVC {claim.metadata.name}", event.reason, words, event.first_seen)


def _judge_claim(view: View, ref: Ref, now: float) -> Judgement:
    claim = view.find(Claim, ref)
    if claim is None or claim.metadata.deletion_timestamp or _helped(view, ref, claim) is not None:
        # What is wrong with a helper is told of the DataVolume.
        return WELL
    cause = explain_claim(view, ref.backend, claim)
    if cause is None:
        return WELL
    lost = claim.status.phase == "Lost"
    running = tell_running(view, machines_of_claim(view, ref, claim)) if lost else ""
    limit = (claim.created or now) + BIND_LIMIT
    if not lost and now < limit:
        return Judgement(again=limit)
    return Judgement(
        Finding(
            "claim.state",
            Severity.BAD if lost else Severity.WARN,
            ref,
            "claim",
            "has lost its volume" if lost else "gets no volume",
            cause.sentence + running,
            None if lost else claim.created,
            (cause.evidence, *cause.more),
            cause.step,
            root_of(ref, cause),
        )
    )


def tell_running(view: View, users: Iterable[Ref]) -> str:
    """Which of the machines that use a disk have it open though it is lost, and lose it for good with the next stop: a
    clause, empty for none.
    """
    found = (join_machine(view, one) for one in dict.fromkeys(users))
    names = [one.ref.path for one in found if one is not None and one.running]
    if not names:
        return ""
    who, run = ("VMs", "run") if len(names) > 1 else ("VM", "runs")
    return f"; {who} {name_few(names, _NAMED)} still {run} with it, and will not start again"


_NAMED: Final = 3


def root_of(ref: Ref, cause: Cause) -> Ref | None:
    """The culprit as a root, where it is not the subject itself."""
    if cause.culprit is None or cause.culprit == (ref.kind, ref.namespace, ref.name):
        return None
    return Ref(ref.backend, *cause.culprit)


# Classes -----------------------------------------------------------------------------------------------------------


def _judge_class(view: View, ref: Ref, now: float) -> Judgement:
    """A provisioner that does not answer shows in the claims that wait for it, and nowhere else."""
    found = view.find(StorageClass, ref)
    if found is None:
        return WELL
    waiting: list[tuple[float, Claim, Event]] = []
    again: list[float] = []
    for _, claim in view.linked(Claim, ref.backend, "waits", ref.name):
        event, _ = read_events(view, ref.backend, claim)
        if event is None or event.reason != _EXTERNAL or claim.metadata.deletion_timestamp:
            continue
        since = claim.created or now
        if now < since + BIND_LIMIT:
            again.append(since + BIND_LIMIT)
        else:
            waiting.append((since, claim, event))
    if not waiting:
        return Judgement(again=min(again, default=None))
    since, oldest, event = min(waiting, key=lambda item: (item[0], item[1].metadata.name))
    named = _helped(view, oldest.ref(ref.backend), oldest) or oldest
    name = f"PVC {named.metadata.namespace}/{named.metadata.name}"
    lacks = _is_missing(view, ref.backend, found.provisioner)
    others = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    finding = Finding(
        "class.state",
        Severity.WARN,
        ref,
        "class",
        "makes no volumes",
        f"there is no CSIDriver {found.provisioner}"
        if lacks
        else f"its provisioner {found.provisioner} has made none for {name}{others}",
        since,
        (Evidence(f"StorageClass {ref.name}", "provisioner", found.provisioner), _evidence_of(oldest, event)),
        f"install the CSI driver {found.provisioner}, or use another class"
        if lacks
        else f"see whether the pods of {found.provisioner} run, or use another class",
    )
    return Judgement(finding, min(again, default=None))


def _is_missing(view: View, backend: str, provisioner: str) -> bool:
    """Whether a CSI driver is not installed. Provisioners that are none need no CSIDriver."""
    whole = view.feed(backend, CsiDriver.KIND).state is FeedState.LIVE
    return whole and "csi" in provisioner and view.get(CsiDriver, backend, "", provisioner) is None


def _classes_of_driver(view: View, ref: Ref, _driver: CsiDriver) -> Iterator[Ref]:
    for found, record in view.items(StorageClass, ref.backend):
        if record.provisioner == ref.name:
            yield found


def _classes_of_claim(view: View, ref: Ref, claim: Claim) -> Iterator[Ref]:
    name = claim.spec.storage_class_name if claim.status.phase == "Pending" else None
    found = view.get(StorageClass, ref.backend, "", name) if name else None
    if found is not None:
        yield found.ref(ref.backend)


def _with_helper(view: View, ref: Ref, claim: Claim) -> Iterator[Ref]:
    yield ref
    helper = view.ref_of(Claim, ref.backend, ref.namespace, _helper_name(claim))
    if helper is not None:
        yield helper


def claim_of_event(view: View, ref: Ref, event: Event) -> Claim | None:
    """The claim of which an event says what keeps it from its volume; None for any other event."""
    about = event.involved_object
    if about.kind != Claim.KIND or not tells(event):
        return None
    return view.get(Claim, ref.backend, about.namespace, about.name)


def _claims_of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    claim = claim_of_event(view, ref, event)
    return (claim.ref(ref.backend),) if claim is not None else ()


def _classes_of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    claim = claim_of_event(view, ref, event)
    return _classes_of_claim(view, claim.ref(ref.backend), claim) if claim is not None else ()


def _waiting_claims(view: View, ref: Ref, _record: StorageClass) -> Iterator[Ref]:
    """What a claim is told depends on all the classes that there are."""
    yield from (claim for claim, _ in view.linked(Claim, ref.backend, "pending", "true"))


def _claims_of_volume(view: View, ref: Ref, volume: PersistentVolume) -> Iterator[Ref]:
    bound = volume.spec.claim_ref
    claim = view.get(Claim, ref.backend, bound.namespace, bound.name) if bound is not None else None
    if claim is not None and claim.status.phase != "Bound":
        yield claim.ref(ref.backend)


RULES: Final = (
    Rule(
        "claim.state",
        _judge_claim,
        {
            Claim: _with_helper,
            Event: _claims_of_event,
            StorageClass: _waiting_claims,
            PersistentVolume: _claims_of_volume,
        },
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a claim that lost its volume or gets none: its class does not exist, is not named, or does not work",
        severities="bad, warn",
    ),
    Rule(
        "class.state",
        _judge_class,
        {
            StorageClass: itself,
            Claim: _classes_of_claim,
            Event: _classes_of_event,
            CsiDriver: _classes_of_driver,
        },
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a storage class whose provisioner makes no volumes, or is not installed",
        severities="warn",
    ),
)
