"""The Service by which the ports of a VM are reached."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.resources.base import Action, objects
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Text
from kvtui.resources.vm_changes import whom, why_no_vm
from kvtui.store import View

_NAME: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_KINDS: Final = {
    "ClusterIP": "inside the cluster",
    "NodePort": "on a port of every node",
    "LoadBalancer": "by the cluster's load balancer",
}


def _expose_form(_view: View, machines: Sequence[Machine]) -> Form:
    def check_name(answers: Answers) -> str:
        return "" if _NAME.fullmatch(answers.text("name")) else "a letter, then a-z, 0-9 and -, 63 at most"

    return Form(
        f"expose {whom(machines)}",
        (
            Number("port", "port", default="22", least=1, most=65_535, hint="of the Service, as in 22", named=True),
            Number("target_port", "port of the VM", needed=False, least=1, most=65_535, hint="empty: the same"),
            Choice("protocol", "protocol", options=[Option("TCP"), Option("UDP")]),
            Choice("type", "reached", options=[Option(name, note=note) for name, note in _SERVICE_KINDS.items()]),
            Text("name", "name", default=_suggest(machines[0].record.metadata.name), check=check_name),
        ),
        about=["a new Service leads to this VM alone"],
    )


def _suggest(name: str) -> str:
    """A name that a Service may bear."""
    fitting = re.sub(r"[^-a-z0-9]", "-", name.lower())[:63].strip("-")
    return fitting if _NAME.fullmatch(fitting) else f"vm-{fitting}"[:63].strip("-")


async def _expose(backend: Backend, machine: Machine, answers: Answers) -> Ref:
    port = answers.number("port") or 22
    service = Ref(machine.backend, "Service", machine.ref.namespace, answers.text("name"))
    body = {
        "spec": {
            "type": answers.text("type"),
            # Every launcher of the VM bears it, and no other pod does (kubevirt-api.md 2.10).
            "selector": {"vm.kubevirt.io/name": machine.ref.name},
            "ports": [
                {
                    "name": f"port-{port}",
                    "port": port,
                    "targetPort": answers.number("target_port") or port,
                    "protocol": answers.text("protocol"),
                }
            ],
        }
    }
    return await objects(backend).create(service, body, verb=f"expose {machine.ref.name}", about=machine.ref)


ACCESS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.expose",
        key="",
        label="expose",
        help="Make a Service that leads to a port of the VM.",
        needs=Permission("create", "", "services"),
        when=why_no_vm,
        form=_expose_form,
        run=_expose,
        single=True,
        settled=lambda _before, _now: True,
        awaits="exposing",
        footer=False,
        command="expose",
    ),
)
