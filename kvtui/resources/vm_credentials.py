"""The passwords and keys of a VM, which its access credentials hold.

Credentials lie in Secrets that the VM names (``spec.template.spec.accessCredentials``). kvtui writes to those, and
makes one that is missing if that is wanted. It has the VM name no further ones, as which of them a guest heeds is set
when it is made (virtctl credentials does the same).

What is in a Secret comes into a running guest by its agent: kubelet brings it into the launcher pod, and virt-launcher,
which looks every 15 seconds, has the condition AccessCredentialsSynchronized tell what came of it when that changed
(pkg/virt-launcher/virtwrap/access-credentials, updateAccessCredentialConditions in pkg/virt-handler).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.errors import AbsentError, ConflictError, ForbiddenError
from kvtui.joins.machine import Machine, join_machine
from kvtui.model import Ref
from kvtui.records.base import Condition, find_condition, is_true
from kvtui.records.credentials import AccessCredential
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources.base import Action, Danger, Progress, objects
from kvtui.resources.form import Answers, AnyField, Choice, Form, Option, Text, Toggle
from kvtui.resources.spec import Whole, find_part, items, read_whole, text_of
from kvtui.resources.vm_changes import whom, why_no_vm
from kvtui.store import View
from kvtui.text import is_private_key, name_few

_KEY: Final = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]{16,}(?: .*)?")
_USER: Final = re.compile(r"[A-Za-z0-9._-]{1,63}")
_CREDENTIALS: Final = "spec.template.spec.accessCredentials"
_PASSWORD: Final = "userPassword"
_PUBLIC_KEY: Final = "sshPublicKey"
_NAMED: Final = 5
_TAKEN: Final = 120.0
"""Seconds after which a running guest has what is in a Secret: kubelet looks for it every 60 to 90."""
_UNSURE: Final = "nothing tells that the guest has it"
_PATCH_SECRETS: Final = Permission("patch", "", "secrets")
_CREATE_SECRETS: Final = Permission("create", "", "secrets")


@dataclass(frozen=True)
class Credential:
    """A Secret that a VM names for its password or its keys."""

    secret: Ref
    way: str
    """How what it holds comes into the guest."""
    missing: bool
    """Whether it is known not to exist."""
    makable: bool
    """Whether nothing is known that keeps the account from making it then."""


async def _read_credentials(
    backends: Mapping[str, Backend], machines: Sequence[Machine], kind: str
) -> Sequence[Credential]:
    """Those of a kind. Raises ConflictError where the VM has none."""
    (machine,) = machines
    backend, namespace = backends[machine.backend], machine.ref.namespace
    named = _secrets(await read_whole(backend, machine.ref), kind)
    if not named:
        raise ConflictError(
            f"{machine.ref.path} has no access credentials for that",
            f"its spec has no accessCredentials with {kind}",
            "add one (e edits it), then restart the VM",
        )
    verdict = await backend.may(_CREATE_SECRETS, namespace)
    makable = verdict.allowed or not verdict.asked
    refs = [(Ref(machine.backend, "Secret", namespace, name), way) for name, way in named]
    return [Credential(ref, way, await _is_missing(backend, ref), makable) for ref, way in refs]


async def _is_missing(backend: Backend, secret: Ref) -> bool:
    """Who may write to Secrets need not be allowed to read them: then nobody knows."""
    try:
        await objects(backend).read(secret)
    except AbsentError:
        return True
    except ForbiddenError:
        return False
    return False


async def _read_passwords(
    backends: Mapping[str, Backend], _view: View, machines: Sequence[Machine]
) -> Sequence[Credential]:
    return await _read_credentials(backends, machines, _PASSWORD)


async def _read_keys(backends: Mapping[str, Backend], _view: View, machines: Sequence[Machine]) -> Sequence[Credential]:
    return await _read_credentials(backends, machines, _PUBLIC_KEY)


def _secrets(vm: Whole, kind: str) -> list[tuple[str, str]]:
    """The Secrets of the credentials of a kind, each with how it comes into the guest."""
    ways = {"qemuGuestAgent": "its agent takes it within two minutes, if it is connected"}
    found = []
    for item in items(vm, _CREDENTIALS):
        secret = text_of(item, f"{kind}.source.secret.secretName")
        method = find_part(item, f"{kind}.propagationMethod")
        if secret:
            name = next(iter(method), "") if isinstance(method, Mapping) else ""
            found.append((secret, ways.get(name, "the guest reads it when it boots")))
    return found


def _ask_secret(credentials: Sequence[Credential]) -> tuple[AnyField, ...]:
    """Which of the Secrets, and of one that does not exist, whether to make it."""
    missing = {one.secret.name: one.secret for one in credentials if one.missing}

    def check(answers: Answers) -> str:
        name = answers.text("secret")
        return "" if answers.flag("make") else f"{name} does not exist: say yes, or {_tell_making(missing[name])}"

    options = [_offer(one) for one in credentials]
    which = Choice("secret", "credential", options=options, named=len(options) > 1, hint="the Secret that the VM names")
    make = Toggle(
        "make",
        "make the Secret",
        check=check,
        asked=lambda answers: answers.text("secret") in missing,
    )
    return (which, make) if missing else (which,)


def _offer(credential: Credential) -> Option:
    name = credential.secret.name
    if not credential.missing:
        return Option(name, note=credential.way)
    if credential.makable:
        return Option(name, note=f"it does not exist; {credential.way}")
    return Option(name, reason=f"it does not exist, and needs {_CREATE_SECRETS}: {_tell_making(credential.secret)}")


def _tell_making(secret: Ref) -> str:
    """The command that makes a Secret."""
    return f"kubectl create secret generic {secret.name} -n {secret.namespace}"


def _warn_sharers(view: View, machine: Machine, answers: Answers, gets: str) -> Sequence[str]:
    """Which other VMs get what is written to the Secret, because they name it too."""
    secret = Ref(machine.backend, "Secret", machine.ref.namespace, answers.text("secret"))
    others = sorted(
        {
            ref.name
            for type_ in (VirtualMachine, VirtualMachineInstance)
            for ref, _ in view.linked(type_, secret.backend, "secret", secret.path)
        }
        - {machine.ref.name}
    )
    if not others:
        return ()
    verb, who = ("name", "they get") if len(others) > 1 else ("names", "it gets")
    return (f"{name_few(others, _NAMED)} {verb} Secret {secret.name} too: {who} {gets}",)


def _password_form(view: View, machines: Sequence[Machine], credentials: Sequence[Credential]) -> Form:
    def check_user(answers: Answers) -> str:
        return "" if _USER.fullmatch(answers.text("user")) else "letters, digits, . _ -"

    return Form(
        f"set a password in {whom(machines)}",
        (
            *_ask_secret(credentials),
            Text("user", "user", check=check_user, hint="who has an account in the guest"),
            Text("password", "password", secret=True),
        ),
        warn=lambda answers: _warn_sharers(view, machines[0], answers, "this password as well"),
    )


async def _set_password(backend: Backend, machine: Machine, answers: Answers) -> None:
    user = answers.text("user")
    await _put_in_secret(backend, machine, answers, user, answers.text("password"), f"set password of {user}")


def _key_form(view: View, machines: Sequence[Machine], credentials: Sequence[Credential]) -> Form:
    def check(answers: Answers) -> str:
        key = answers.text("key")
        if is_private_key(key):
            return "that is a private key; the public one is in the file that ends in .pub"
        return "" if _KEY.fullmatch(key) else "a public key as in ~/.ssh/id_ed25519.pub"

    return Form(
        f"let a key into {whom(machines)}",
        (*_ask_secret(credentials), Text("key", "public key", check=check, hint="paste the whole line")),
        warn=lambda answers: _warn_sharers(view, machines[0], answers, "this key as well"),
    )


async def _add_key(backend: Backend, machine: Machine, answers: Answers) -> None:
    key = answers.text("key")
    name = f"ssh-key-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    await _put_in_secret(backend, machine, answers, name, key, f"add ssh key {name}")


async def _put_in_secret(
    backend: Backend, machine: Machine, answers: Answers, name: str, value: str, verb: str
) -> None:
    secret = Ref(machine.backend, "Secret", machine.ref.namespace, answers.text("secret"))
    data = {name: base64.b64encode(value.encode()).decode()}
    told = f"{verb} for {machine.ref.name}"
    if answers.flag("make"):
        await objects(backend).create(secret, {"type": "Opaque", "data": data}, verb=told, about=machine.ref)
        return
    try:
        await objects(backend).patch(secret, {"data": data}, verb=told, about=machine.ref)
    except AbsentError as error:
        raise AbsentError(f"the Secret {secret.path} does not exist", hint=_tell_making(secret)) from error


# What comes of it --------------------------------------------------------------------------------------------------


def _follow(view: View, before: Machine, answers: Answers, asked: float) -> Progress:
    """Whether the guest has what was written to the Secret, as far as KubeVirt tells."""
    secret = answers.text("secret")
    written, now = f"written to Secret {secret}", join_machine(view, before.ref)
    if now is None:
        return Progress(f"{written}; the VM is gone", over=True, untold=True)
    if when := _tell_later(now, secret):
        return Progress(f"{written}; the guest gets it when {when}", over=True, untold=True)
    old, new = _synchronized(before), _synchronized(now)
    if new is None:
        return Progress(f"{written}; KubeVirt has not told whether the guest has it")
    failure = "" if new.status == "True" else new.message or "KubeVirt gives no reason"
    if new != old:
        words = f"{written}, and not in the guest" if failure else f"{written}, and in the guest"
        return Progress(words, over=not failure, failure=failure)
    due = asked + _TAKEN
    if failure:
        return Progress(f"{written}; KubeVirt says as before: {failure}", failure=_UNSURE, due=due)
    return Progress(f"{written}; KubeVirt tells of no failure", over=True, due=due)


def _tell_later(machine: Machine, secret: str) -> str:
    """When the guest gets what is in a Secret, in a clause; empty where that is now."""
    live = machine.live
    if live is None:
        return "the VM is started"
    named = [one for one in live.spec.access_credentials if one.secret == secret]
    if not named:
        return "the VM is restarted: what runs does not name the Secret"
    if not any(one.by_agent for one in named):
        return "the VM is restarted"
    connected = machine.running and is_true(live.status.conditions, "AgentConnected")
    return "" if connected else "its agent connects"


def _synchronized(machine: Machine) -> Condition | None:
    live = machine.live
    return find_condition(live.status.conditions, "AccessCredentialsSynchronized") if live is not None else None


def _password_when(machine: Machine) -> str:
    return why_no_vm(machine) or ("" if any(one.user_password for one in _credentials(machine)) else _NONE)


def _key_when(machine: Machine) -> str:
    return why_no_vm(machine) or ("" if any(one.ssh_public_key for one in _credentials(machine)) else _NONE)


def _credentials(machine: Machine) -> tuple[AccessCredential, ...]:
    return machine.vm.spec.template.spec.access_credentials if machine.vm is not None else ()


_NONE: Final = "it has no access credentials for that: add accessCredentials to its spec (e edits it), then restart it"


CREDENTIALS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.set_password",
        key="",
        label="set password",
        help="Set the password of a user of the guest, in the Secret that the VM's access credentials name.",
        needs=_PATCH_SECRETS,
        when=_password_when,
        prepare=_read_passwords,
        form=_password_form,
        run=_set_password,
        single=True,
        settled=lambda _before, _now: False,
        follow=_follow,
        awaits="changing",
        usual=_TAKEN,
        danger=Danger.ASK,
        footer=False,
        command="set-password",
    ),
    Action(
        id="vm.add_key",
        key="",
        label="add ssh key",
        help="Let an ssh key into the guest, by the Secret that the VM's access credentials name.",
        needs=_PATCH_SECRETS,
        when=_key_when,
        prepare=_read_keys,
        form=_key_form,
        run=_add_key,
        single=True,
        settled=lambda _before, _now: False,
        follow=_follow,
        awaits="changing",
        usual=_TAKEN,
        danger=Danger.ASK,
        footer=False,
        command="add-ssh-key",
    ),
)
