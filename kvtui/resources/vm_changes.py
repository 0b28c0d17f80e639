"""Changes to what a VM is: CPUs, memory, run strategy, labels, and its whole definition."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.backends.objects import Body
from kvtui.errors import BackendError
from kvtui.joins.machine import Machine
from kvtui.joins.rollout import tell_memory, tell_sockets
from kvtui.joins.twins import tell_twins
from kvtui.records.base import is_true
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.resources import sources
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.form import Answers, Choice, Form, Number, Option
from kvtui.resources.labelling import describe_labels, label_form, label_patch, tell_labels
from kvtui.resources.manifest import parse_manifest, read_manifest, write_manifest
from kvtui.store import View
from kvtui.text import quantity, size

PATCH: Final = Permission("patch", "kubevirt.io", "virtualmachines")
_MIB: Final = 2**20
_LEAST: Final = 32
"""MiB without which no guest boots; the API takes less."""
_MOST: Final = 16 * 2**20
"""MiB that no node has."""
_FEW: Final = 4
_BLOCK: Final = 2 * _MIB
"""Bytes by which what a guest has may differ from what it was given: memory is plugged in whole pages."""
_STRATEGIES: Final = {
    "Always": "runs, and is started again whenever it ends",
    "RerunOnFailure": "runs, and is started again when it fails, not when the guest shuts down",
    "Manual": "is started and stopped by hand alone",
    "Once": "runs once",
    "Halted": "is off",
}


def why_no_vm(machine: Machine) -> str:
    """Why nothing can be changed for good."""
    if machine.vm is None:
        return "it is an instance without a VM, whose spec cannot be changed"
    return "the VM is being deleted" if machine.vm.metadata.deletion_timestamp else ""


def whom(machines: Sequence[Machine]) -> str:
    """About whom a form is."""
    return machines[0].record.metadata.name if len(machines) == 1 else f"{len(machines)} VMs"


def changed(before: Machine, now: Machine) -> bool:
    """Whether the VM's spec is another one by now."""
    return now.vm is None or before.vm is None or now.vm.metadata.generation != before.vm.metadata.generation


def _in_template(domain: Body) -> Body:
    return {"spec": {"template": {"spec": {"domain": domain}}}}


async def _patch(backend: Backend, machine: Machine, patch: Body, verb: str) -> None:
    await objects(backend).patch(machine.ref, patch, verb=verb)


# CPUs and memory ---------------------------------------------------------------------------------------------------


def _tell_now(found: Collection[str]) -> list[str]:
    """How it is now, where it is so of all."""
    return [f"now {next(iter(found))}"] if len(found) == 1 else []


def _own_size_when(machine: Machine) -> str:
    reason = why_no_vm(machine)
    if reason or machine.vm is None or machine.vm.spec.instancetype is None:
        return reason
    kind = machine.vm.spec.instancetype
    return f"its CPUs and memory are those of the instancetype {kind.name}"


def _stored_cpus(machine: Machine) -> tuple[int, int]:
    """vCPUs of the VM's spec, and how many a socket has."""
    assert machine.vm is not None
    cpu = machine.vm.spec.template.spec.domain.cpu
    return cpu.count or 1, max(1, cpu.cores) * max(1, cpu.threads)


def _cpus_form(view: View, machines: Sequence[Machine]) -> Form:
    def warn(answers: Answers) -> Sequence[str]:
        count = answers.number("cpus") or 0
        running = [machine for machine in machines if machine.live is not None]
        if any(count < _stored_cpus(machine)[0] or count % _stored_cpus(machine)[1] for machine in running):
            return ("the guest gets it after a restart: only whole sockets can be added to a running one",)
        said = [tell_sockets(view, machine, count // _stored_cpus(machine)[1]) for machine in running]
        return tuple(dict.fromkeys(filter(None, said)))

    steps = {_stored_cpus(machine)[1] for machine in machines}
    said = [f"a socket has {steps.pop()}; other numbers make it one socket"] if len(steps) == 1 else []
    hint = "; ".join([*_tell_now({str(_stored_cpus(machine)[0]) for machine in machines}), *said])
    count = Number("cpus", "CPUs", default=str(_stored_cpus(machines[0])[0]), least=1, most=1024, hint=hint,
                   named=True)  # fmt: skip
    return Form(f"CPUs of {whom(machines)}", (count,), warn=warn)


async def _set_cpus(backend: Backend, machine: Machine, answers: Answers) -> None:
    count = answers.number("cpus") or 1
    step = _stored_cpus(machine)[1]
    cpu = {"sockets": 1, "cores": count, "threads": 1} if count % step else {"sockets": count // step}
    await _patch(backend, machine, _in_template({"cpu": cpu}), f"set CPUs {count}")


def _stored_memory(machine: Machine) -> int:
    assert machine.vm is not None
    domain = machine.vm.spec.template.spec.domain
    return int(quantity(domain.memory.guest or domain.resources.requests.get("memory")) or 0)


def _most_memory(machine: Machine) -> int:
    """The bytes that the spec lets the guest have at most; 0 where it says nothing."""
    assert machine.vm is not None
    return int(quantity(machine.vm.spec.template.spec.domain.memory.max_guest) or 0)


def _memory_form(view: View, machines: Sequence[Machine]) -> Form:
    def check(answers: Answers) -> str:
        most = [found for machine in machines if (found := _most_memory(machine))]
        wanted = (answers.number("memory") or 0) * _MIB
        return f"its spec allows {size(min(most))} at most (maxGuest)" if most and wanted > min(most) else ""

    def warn(answers: Answers) -> Sequence[str]:
        wanted = (answers.number("memory") or 0) * _MIB
        running = [machine for machine in machines if machine.live is not None]
        used = [machine.usage.memory for machine in running if machine.usage is not None]
        said = []
        if any(wanted * _FEW < _stored_memory(machine) for machine in machines):
            said.append("that is less than a quarter of what it has: a guest that does not fit does not boot")
        said += dict.fromkeys(filter(None, (tell_memory(view, machine, wanted) for machine in running)))
        if used and wanted < max(used):
            said.append(f"{size(max(used))} are in use now")
        return said

    hint = "; ".join([*_tell_now({size(_stored_memory(machine)) for machine in machines}), "MiB, or 4Gi"])
    memory = Number("memory", "memory", unit="MiB", default=str(_stored_memory(machines[0]) // _MIB), least=_LEAST,
                    most=_MOST, hint=hint, named=True, check=check)  # fmt: skip
    return Form(f"memory of {whom(machines)}", (memory,), warn=warn)


async def _set_memory(backend: Backend, machine: Machine, answers: Answers) -> None:
    amount = f"{answers.number('memory')}Mi"
    await _patch(backend, machine, _in_template({"memory": {"guest": amount}}), f"set memory {amount}")


# KubeVirt takes the spec at once; a running guest gets the size later, by a migration, or not before a restart.


def _needs_restart(now: Machine) -> str:
    waits = now.live is not None and now.vm is not None and is_true(now.vm.status.conditions, "RestartRequired")
    return "accepted; it comes with a restart" if waits else ""


def _has_size(before: Machine, now: Machine, has: Callable[[VirtualMachineInstance], bool]) -> bool:
    """Whether the guest has what the spec says, or will have it no sooner than with a restart."""
    if not changed(before, now):
        return False
    return now.vm is None or now.live is None or bool(_needs_restart(now)) or has(now.live)


def _has_cpus(before: Machine, now: Machine) -> bool:
    def has(live: VirtualMachineInstance) -> bool:
        topology = live.status.current_cpu_topology
        # Older versions of KubeVirt tell nothing of what the guest has.
        return topology is None or topology.count == _stored_cpus(now)[0]

    return _has_size(before, now, has)


def _has_memory(before: Machine, now: Machine) -> bool:
    def has(live: VirtualMachineInstance) -> bool:
        memory = live.status.memory
        current = quantity(memory.guest_current) if memory is not None else None
        return current is None or abs(current - _stored_memory(now)) <= _BLOCK

    return _has_size(before, now, has)


def _tell_cpus(_before: Machine, now: Machine) -> str:
    return _tell_size(now, "1 CPU" if _stored_cpus(now)[0] == 1 else f"{_stored_cpus(now)[0]} CPUs")


def _tell_memory(_before: Machine, now: Machine) -> str:
    return _tell_size(now, f"{size(_stored_memory(now))} of memory")


def _tell_size(now: Machine, amount: str) -> str:
    if now.live is None:
        return f"the VM has {amount} at its next start"
    return _needs_restart(now) or f"the guest has {amount}"


def moves(_before: Machine, now: Machine) -> bool:
    """Whether the migration that brings the change shows in its row."""
    return now.moving is not None


def _hold_size(_view: View, before: Machine, now: Machine, _clock: float) -> str:
    if not changed(before, now) or now.live is None:
        return ""
    return "the migration that brings it is under way" if now.moving else "the guest has not got it yet"


# Run strategy and labels -------------------------------------------------------------------------------------------


def _strategy_form(view: View, machines: Sequence[Machine]) -> Form:
    present = {machine.run_strategy for machine in machines}
    first = machines[0].run_strategy
    running = sum(1 for machine in machines if machine.live is not None)

    def warn(answers: Answers) -> Sequence[str]:
        wanted = answers.text("strategy")
        off = [machine for machine in machines if machine.live is None]
        if wanted in ("Always", "RerunOnFailure", "Once") and off:
            if len(machines) == 1:
                return ("the VM is started", *tell_twins(view, off[0]))
            twins = [f"{machine.ref.name}: {words}" for machine in off for words in tell_twins(view, machine)]
            return (f"{len(off)} VMs that are off are started", *twins)
        return ()

    options = [
        Option(name, note=note, reason="it is so already" if present == {name} else _why_not(name, running, machines))
        for name, note in _STRATEGIES.items()
    ]
    about = [f"it is {first} now"] if len(present) == 1 else []
    if len(present) > 1:
        # An enter too many must start no fleet.
        options.insert(0, Option("", "differs", reason="choose one"))
    choice = Choice("strategy", "run strategy", options=options, default=first if len(present) == 1 else "", named=True)
    return Form(f"run strategy of {whom(machines)}", (choice,), about=about, warn=warn)


def _why_not(strategy: str, running: int, machines: Sequence[Machine]) -> str:
    """Why it cannot be chosen: what shuts guests down is a stop, which says what ends with them."""
    if strategy != "Halted" or not running:
        return ""
    if len(machines) == 1:
        return "it runs: stop it first, which says what ends with it"
    return f"{running} of them run: stop them first, which says what ends with them"


async def _set_strategy(backend: Backend, machine: Machine, answers: Answers) -> None:
    strategy = answers.text("strategy")
    # The older field must go: the API takes one of the two.
    patch: Body = {"spec": {"runStrategy": strategy, "running": None}}
    await _patch(backend, machine, patch, f"set run strategy {strategy}")


def _labels_form(_view: View, machines: Sequence[Machine]) -> Form:
    return label_form(whom(machines), [machine.record.metadata.labels for machine in machines])


async def _set_labels(backend: Backend, machine: Machine, answers: Answers) -> None:
    await _patch(backend, machine, label_patch(answers), describe_labels(answers))


def _relabelled(before: Machine, now: Machine) -> bool:
    return now.record.metadata.labels != before.record.metadata.labels


def _tell_labels(before: Machine, now: Machine) -> str:
    return tell_labels(before.record.metadata.labels, now.record.metadata.labels)


# The whole ---------------------------------------------------------------------------------------------------------


async def _read(backend: Backend, machine: Machine) -> str:
    return await read_manifest(backend, machine.ref)


async def _write(backend: Backend, machine: Machine, text: str, before: str) -> None:
    if machine.live is not None and _halts(text) and not _halts(before):
        why = f"{machine.ref.path} runs: stop it first, which says what ends with it"
        raise BackendError("this would shut the guest down without a question", why)
    await write_manifest(backend, machine.ref, text, before)


def _halts(text: str) -> bool:
    """Whether a VM that is declared so does not run."""
    spec = parse_manifest(text).get("spec")
    return isinstance(spec, dict) and (spec.get("runStrategy") == "Halted" or spec.get("running") is False)


def _change(
    name: str,
    label: str,
    text: str,
    form: Callable[[View, Sequence[Machine]], Form],
    run: Callable[[Backend, Machine, Answers], Awaitable[None]],
    *,
    when: Callable[[Machine], str] = why_no_vm,
    settled: Callable[[Machine, Machine], bool] = changed,
    remark: Callable[[Machine, Machine], str],
) -> Action[Machine]:
    return Action(
        id=f"vm.{name}",
        key="",
        label=label,
        help=text,
        needs=PATCH,
        when=when,
        form=form,
        run=run,
        settled=settled,
        remark=remark,
        awaits="changing",
        danger=Danger.ASK,
        usual=20.0,
        reads=(sources.KUBEVIRTS,),
        footer=False,
        command=f"set-{name.replace('_', '-')}",
    )


def _sized(action: Action[Machine]) -> Action[Machine]:
    """What reaches a running guest later than the spec."""
    return replace(action, shown=moves, holds=_hold_size, usual=120.0, lasts=600.0)


CHANGES: tuple[Action[Machine], ...] = (
    Action(
        id="vm.edit",
        key="e",
        label="edit",
        help="Edit the VM's definition in $EDITOR; what the server refuses comes back with its words.",
        needs=Permission("update", "kubevirt.io", "virtualmachines"),
        when=why_no_vm,
        edit=_read,
        run=_write,
        single=True,
        settled=lambda _before, _now: True,
        awaits="changing",
        footer=False,
    ),
    _sized(_change("cpus", "CPUs", "Give the VM more or fewer CPUs.", _cpus_form, _set_cpus, when=_own_size_when,
                   settled=_has_cpus, remark=_tell_cpus)),
    _sized(_change("memory", "memory", "Give the VM more or less memory.", _memory_form, _set_memory,
                   when=_own_size_when, settled=_has_memory, remark=_tell_memory)),
    _change("run_strategy", "run strategy", "Say when the VM runs: always, on failure, by hand, never.",
            _strategy_form, _set_strategy,
            remark=lambda _before, now: f"its run strategy is {now.run_strategy}"),
    _change("labels", "labels", "Set and take away labels of the VM.", _labels_form, _set_labels,
            settled=_relabelled, remark=_tell_labels),
)  # fmt: skip
