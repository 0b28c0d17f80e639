"""What stands on a claim, be it one that CDI fills on the way to another (kubevirt-api.md 2.10)."""

from __future__ import annotations

from kvtui.joins.machine import machines_of_volume
from kvtui.model import Ref
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.store import View


def filled_by(ref: Ref, claim: Claim) -> Ref:
    """The claim that a helper is made for; any other is its own."""
    owner = claim.controller
    if owner is None or owner.kind != Claim.KIND:
        return ref
    return Ref(ref.backend, Claim.KIND, ref.namespace, owner.name)


def machines_of_claim(view: View, ref: Ref, claim: Claim) -> list[Ref]:
    """For `related`: the machines that use what a claim fills."""
    return machines_of_volume(view, filled_by(ref, claim), claim)


def volumes_of_claim(view: View, ref: Ref, claim: Claim) -> list[Ref]:
    """For `related`: the DataVolumes that a claim fills."""
    path = filled_by(ref, claim).path
    return [volume for volume, _ in view.linked(DataVolume, ref.backend, "claim", path)]
