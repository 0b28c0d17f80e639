"""What a real API server answered: `tests/data/recordings`, and the whole of it where it lies beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kvtui.records.base import Record
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Event, Namespace, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance

CUT: Final = Path(__file__).parent / "data" / "recordings"
WHOLE: Final = Path(__file__).parents[2] / "shared" / "recordings"

TYPES: Final[dict[str, type[Record]]] = {
    "datavolumes": DataVolume,
    "events": Event,
    "kubevirts": KubeVirt,
    "namespaces": Namespace,
    "nodes": Node,
    "persistentvolumeclaims": Claim,
    "pods": Pod,
    "virtualmachineinstancemigrations": Migration,
    "virtualmachineinstances": VirtualMachineInstance,
    "virtualmachines": VirtualMachine,
}
"""The record of each recorded resource."""


def items(resource: str, root: Path = CUT) -> list[dict[str, Any]]:
    """The recorded objects of a resource in every state, as the server wrote them."""
    return [*_listed(resource, root), *_watched(resource, root)]


def _listed(resource: str, root: Path) -> Iterator[dict[str, Any]]:
    for folder in ("lists", "further"):
        file = root / folder / f"{resource}.json"
        if file.exists():
            yield from json.loads(file.read_text(encoding="utf-8"))["items"]


def _watched(resource: str, root: Path) -> Iterator[dict[str, Any]]:
    file = root / "watch" / f"{resource}.jsonl"
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        event = json.loads(line).get("event")
        if event is not None and event["type"] != "BOOKMARK":
            yield event["object"]
