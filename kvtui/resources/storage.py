"""What a form asks about a new disk: its size, class and modes, out of what the cluster has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from kvtui.backends.base import Backend
from kvtui.backends.objects import Objects
from kvtui.errors import AbsentError, BackendError, ForbiddenError
from kvtui.model import Platform, Ref
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Namespace
from kvtui.records.storage import PropertySet, StorageClass, StorageProfile
from kvtui.resources.base import Site, objects
from kvtui.resources.form import Answers, AnyField, Choice, Number, Option, Taken, Text
from kvtui.store import View

MODES: Final = {
    "ReadWriteOnce": "one node writes",
    "ReadWriteMany": "many nodes write: VMs can be migrated live",
    "ReadOnlyMany": "many nodes read",
    "ReadWriteOncePod": "one pod writes",
}
BIND: Final = "cdi.kubevirt.io/storage.bind.immediate.requested"
"""Annotation of a DataVolume whose claim shall not wait for its first user."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST: Final = 253
_LARGEST: Final = 2**20
"""GiB that no storage has."""

Part = TypeVar("Part", bound=msgspec.Struct)


@dataclass(frozen=True)
class Facts:
    """What there is in a cluster to make disks of; as much of it as the account may see."""

    classes: Mapping[str, StorageClass] = field(default_factory=dict)
    profiles: Mapping[str, StorageProfile] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of the classes; who may not list them sees the names of their profiles."""
        return sorted(self.classes or self.profiles)

    def default(self, *, virtual: bool = True) -> str:
        """The class of a claim that names none; CDI prefers the default for VMs. Empty when nobody says."""
        preferred = (name for name, found in self.classes.items() if virtual and found.is_default_for_vms)
        marked = (name for name, found in self.classes.items() if found.is_default)
        return next(preferred, "") or next(marked, "")

    def sets(self, name: str) -> Sequence[PropertySet]:
        """How claims of a class work, the best first."""
        profile = self.profiles.get(name)
        return profile.status.claim_property_sets if profile is not None else ()

    def waits(self, name: str) -> bool:
        """Whether a claim of a class waits for its first user."""
        found = self.classes.get(name)
        return found is not None and found.waits


async def read_facts(backend: Backend) -> Facts:
    """Ask a cluster for its storage. What the account may not see, or is not installed, is left out."""
    there = objects(backend)
    classes = await _read(there, backend.name, StorageClass)
    profiles = await _read(there, backend.name, StorageProfile)
    return Facts({found.metadata.name: found for found in classes}, {found.metadata.name: found for found in profiles})


async def _read(there: Objects, backend: str, type_: type[Part]) -> list[Part]:
    try:
        raw = await there.read_all(Ref(backend, type_.KIND, "", ""))  # type: ignore[attr-defined]
        return msgspec.convert(raw, list[type_])  # type: ignore[valid-type]
    except (ForbiddenError, AbsentError):
        return []
    except msgspec.ValidationError as error:
        raise BackendError(f"the {type_.__name__} objects of {backend} cannot be read", str(error)) from error


async def prepare_facts(backends: Mapping[str, Backend], _view: View, rows: Sequence[Any]) -> Facts:
    """For `Action.prepare`: of the cluster of the first row, which has a `ref` or a `backend`."""
    return await read_facts(backends[rows[0].backend])


def on_kubernetes(site: Site) -> str:
    """For `Action.when`: why nothing of Kubernetes can be made there."""
    return "" if site.platform is Platform.KUBERNETES else f"{site.backend} is a host of libvirt"


def taken_names(view: View, backend: str) -> dict[str, frozenset[str]]:
    """By namespace, the names that DataVolumes and claims bear already."""
    found: dict[str, set[str]] = {}
    for type_ in (DataVolume, Claim):
        for ref, _ in view.items(type_, backend):
            found.setdefault(ref.namespace, set()).add(ref.name)
    return {namespace: frozenset(names) for namespace, names in found.items()}


# Fields ------------------------------------------------------------------------------------------------------------


def name_field(taken: Mapping[str, frozenset[str]], what: str) -> Text:
    """The name of a new object; `taken` are those that exist, by namespace."""

    def check(answers: Answers) -> str:
        name = answers.text("name")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            return "small letters, digits, - and . only, a letter or digit at both ends"
        return Taken(f"there is {what} of that name") if name in taken.get(answers.text("namespace"), ()) else ""

    return Text("name", "name", check=check)


def namespace_field(view: View, site: Site) -> Choice | Text:
    """Where it is made: one of the namespaces that are known; typed where the account may not list them."""
    known = sorted(ref.name for ref, _ in view.items(Namespace, site.backend))
    if not known:
        return Text("namespace", "namespace", default=site.namespace)
    names = known if site.namespace in known else [site.namespace, *known]
    return Choice("namespace", "namespace", options=[Option(name) for name in names], default=site.namespace)


def size_field(
    default: str = "10",
    *,
    name: str = "size",
    hint: str = "",
    needed: bool = True,
    named: bool = False,
    asked: Callable[[Answers], bool] = lambda _answers: True,
    check: Callable[[Answers], str] = lambda _answers: "",
) -> Number:
    """How large, in GiB."""
    return Number(
        name, "size", hint, check, asked, named, unit="GiB", least=1, most=_LARGEST, default=default, needed=needed
    )


def class_field(
    facts: Facts, *, virtual: bool = True, asked: Callable[[Answers], bool] = lambda _answers: True
) -> Choice | Text:
    """The storage class, the default first."""
    default = facts.default(virtual=virtual)
    if not facts.names:
        return Text("class", "storage class", "empty: the default of the cluster", asked=asked, needed=False)
    names = sorted(facts.names, key=lambda name: (name != default, name))
    first = [] if default else [Option("", "(the default)", note="the cluster's own, if it has one")]
    return Choice(
        "class",
        "storage class",
        asked=asked,
        options=[*first, *(Option(name, note=_note(facts, name, default)) for name in names)],
    )


def _note(facts: Facts, name: str, default: str) -> str:
    said = ["the default"] if name == default else []
    if facts.waits(name):
        said.append("waits for its first user")
    if name in facts.classes:
        said.append(facts.classes[name].provisioner)
    return ", ".join(said)


def mode_fields(facts: Facts) -> tuple[AnyField, ...]:
    """Access mode and volume mode, as CDI's profile of the class has them or as somebody wants them."""

    def access(answers: Answers) -> Sequence[Option]:
        sets = facts.sets(answers.text("class"))
        modes = dict.fromkeys(mode for one in sets for mode in one.access_modes) or dict.fromkeys(MODES)
        chosen = [Option(mode, note=MODES.get(mode, "")) for mode in modes]
        if facts.profiles and not sets:
            # CDI refuses a claim without modes of a class whose profile has none.
            return chosen
        told = f"{', '.join(sets[0].access_modes)} {sets[0].volume_mode}".strip() if sets else ""
        return [Option("", "as its profile says", note=told), *chosen]

    def volume(answers: Answers) -> Sequence[Option]:
        mode, sets = answers.text("access"), facts.sets(answers.text("class"))
        fitting = [one.volume_mode for one in sets if not mode or mode in one.access_modes]
        modes = dict.fromkeys(fitting) or dict.fromkeys(("Filesystem", "Block"))
        return [Option("", "as its profile says", note=next(iter(fitting), "")), *(Option(one) for one in modes if one)]

    return (
        Choice("access", "access mode", options=access),
        Choice("mode", "volume mode", options=volume),
    )


def storage_spec(answers: Answers, amount: int | None) -> dict[str, object]:
    """``spec.storage`` of a DataVolume, or a claim's spec; what was left to the profile is left out."""
    spec: dict[str, object] = {}
    if amount is not None:
        spec["resources"] = {"requests": {"storage": f"{amount}Gi"}}
    if answers.text("class"):
        spec["storageClassName"] = answers.text("class")
    if answers.text("access"):
        spec["accessModes"] = [answers.text("access")]
    if answers.text("mode"):
        spec["volumeMode"] = answers.text("mode")
    return spec
