"""What the API server checks of objects that make machines of a template. Source: the CRDs of KubeVirt and CAPK."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.metadata import Kind
from kvtui.demo.schemas import KINDS as OTHERS
from kvtui.demo.schemas import META
from kvtui.demo.shapes import Plain, Shape, Struct

_MACHINE: Final = OTHERS[kinds.VM]["spec"]
assert isinstance(_MACHINE, Struct)
_TEMPLATE: Final = Struct(
    "VirtualMachineTemplateSpec", {"metadata": META, "spec": replace(_MACHINE, required=("template",))}, ("spec",)
)
KINDS: dict[Kind, dict[str, Shape]] = {
    kinds.POOL: {
        "spec": Struct(
            "VirtualMachinePoolSpec",
            {
                "virtualMachineTemplate": _TEMPLATE,
                "replicas": Plain(("integer",), "int32"),
                "paused": Plain(("boolean",), "bool"),
            },
            ("virtualMachineTemplate",),
        ),
        "status": Struct("VirtualMachinePoolStatus"),
    },
    kinds.KUBEVIRT_MACHINE: {
        "spec": Struct("KubevirtMachineSpec", {"virtualMachineTemplate": _TEMPLATE}, ("virtualMachineTemplate",)),
        "status": Struct("KubevirtMachineStatus"),
    },
}
"""The fields of each kind."""
