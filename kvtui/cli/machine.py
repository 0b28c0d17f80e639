"""The one machine that a command names, and the fleet that it is in."""

from __future__ import annotations

import asyncio
import re
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from kvtui.backends.base import Finder, Located, Locator, Reader
from kvtui.cli.connecting import list_hosts, make_fleet
from kvtui.cli.naming import tell_choice
from kvtui.config import NAMESPACE, Settings
from kvtui.errors import (
    AbsentError,
    BackendError,
    ConfigError,
    UnauthorizedError,
    UnreachableError,
    UnservedError,
)
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain
from kvtui.text import clean_line

if TYPE_CHECKING:
    from kvtui.backends.base import Backend
    from kvtui.fleet import Fleet

Capability = TypeVar("Capability")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PATIENCE: Final = 20.0
"""Seconds that each of several hosts is given."""
_WORDS: Final = frozenset({"vm", "vms", "domain", "domains"})
"""For a VM of a host."""
_KINDS: Final = (VirtualMachine.KIND, VirtualMachineInstance.KIND)


def find_machine(options: Namespace, settings: Settings) -> tuple[Fleet, Ref]:
    """The fleet of one backend, and the VM that ``options.machine`` names: NAME or NAMESPACE/NAME. Nobody is asked yet.

    Without a namespace it is that of ``-n``, of the configuration, of the context, or ``default``: as kubectl has it.
    With hosts it is a domain by its name or UUID, and the fleet is all of them; several are asked which of them has it,
    but for HOST/NAME. Raises ConfigError when it is not clear which VM is meant.
    """
    if not options.context and options.namespace is None:
        _take_host(options, settings)
    if options.host or (settings.host and not options.context and not _has_cluster(options)):
        return _find_domain(options, settings)
    return find_object(options, settings, options.machine, VirtualMachine.KIND, "VM")


def find_object(options: Namespace, settings: Settings, named: str, kind: str, what: str) -> tuple[Fleet, Ref]:
    """The fleet of one context, and the object that `named` means there: NAME or NAMESPACE/NAME. Nobody is asked yet.

    Raises ConfigError when it is not clear which is meant; `what` is the word for it.
    """
    about = f"the command is about one {what}"
    if len(options.context) > 1:
        raise ConfigError(about, "several contexts were given", "give one --context")
    if options.all_namespaces:
        raise ConfigError(about, "-A means all namespaces", "name it as NAMESPACE/NAME")
    namespace, _, name = named.rpartition("/")
    if not name or (namespace and not NAMESPACE.fullmatch(namespace)):
        raise ConfigError(f"{named!r} names no {what}", hint="write NAME or NAMESPACE/NAME")
    if namespace and options.namespace not in (None, namespace):
        raise ConfigError(f"{named} is not in the namespace {options.namespace}", hint="leave out -n")
    options.namespace = namespace or options.namespace or own_namespace(options, settings)
    fleet = make_fleet(options, settings)
    backend = next(iter(fleet.backends.values()))
    return fleet, Ref(backend.name, kind, options.namespace, name)


def _take_host(options: Namespace, settings: Settings) -> None:
    """Have HOST/NAME, or vm/HOST/NAME, mean NAME on that host alone."""
    hosts = list_hosts(options, settings)
    kind, _, rest = options.machine.partition("/")
    for named in (options.machine, rest) if kind in _WORDS else (options.machine,):
        host, slash, name = named.partition("/")
        if slash and host in hosts:
            options.host, options.machine = [hosts[host].uri], name
            return


def _has_cluster(options: Namespace) -> bool:
    """Whether a kubeconfig is there, or named: then a VM is first of all one of its current context."""
    from kvtui.backends.kubernetes.kubeconfig import load_current_context

    if options.kubeconfig is not None:
        return True
    try:
        load_current_context(None)
    except ConfigError:
        return False
    return True


def _find_domain(options: Namespace, settings: Settings) -> tuple[Fleet, Ref]:
    if options.context:
        raise ConfigError("the command is about one VM", "a context and a host were given", "give --context or --host")
    if options.namespace or options.all_namespaces:
        raise ConfigError("the VMs of a host have no namespaces", hint="leave out -n and -A")
    name = options.machine
    fleet = make_fleet(options, settings)
    if len(fleet.backends) == 1 and not _UUID.fullmatch(name):
        return fleet, Ref(next(iter(fleet.backends)), Domain.KIND, "", name)
    # What was asked in one event loop is of no use in another.
    return fleet, asyncio.run(_locate(make_fleet(options, settings), name))


async def _locate(fleet: Fleet, name: str) -> Ref:
    """The one domain of that name or UUID. Raises AbsentError, ConfigError, and UnreachableError where it may be on a
    host that does not answer.
    """
    try:
        backends = [(host, backend) for host, backend in fleet.backends.items() if isinstance(backend, Locator)]
        asked = await asyncio.gather(*(_ask_for(backend, host, name) for host, backend in backends))
    finally:
        await fleet.close()
    located = [one for one in asked if isinstance(one, Located)]
    # While it moves it stands on two hosts: what runs is meant.
    found = [one.ref for one in located if not one.arriving] or [one.ref for one in located]
    silent = [error for error in asked if isinstance(error, BackendError)]
    where = ", ".join(clean_line(ref.backend) for ref in found)
    if len(found) > 1:
        raise ConfigError(f"{clean_line(name)} is on several hosts", where, tell_choice(fleet, found))
    if found:
        return found[0]
    if silent:
        raise silent[0]
    hosts = ", ".join(clean_line(host) for host, _ in backends)
    raise AbsentError(f"no VM named {clean_line(name)} on {hosts}", code=404)


async def _ask_for(backend: Locator, host: str, name: str) -> Located | BackendError | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await backend.locate(name)
    except TimeoutError:
        return UnreachableError(f"{host} does not answer")
    except BackendError as error:
        return error


def capable(fleet: Fleet, ref: Ref, capability: type[Capability], what: str) -> Capability:
    """The backend of the machine as what it must be able to do. Raises BackendError when it is not."""
    backend: Backend = fleet.backends[ref.backend]
    if not isinstance(backend, capability):
        raise BackendError(f"{ref.backend} has no {what}")
    return backend


async def identify(fleet: Fleet, ref: Ref) -> Ref:
    """The VM of that name, or the VMI where there is no VM, with its uid. Who may not ask gets the name alone: what is
    opened then tells.

    Raises AbsentError when there is neither, UnservedError without KubeVirt, UnreachableError, UnauthorizedError.
    """
    backend = fleet.backends[ref.backend]
    if isinstance(backend, Locator):
        found = await backend.locate(ref.name)
        if found is None:
            raise AbsentError(f"no VM named {clean_line(ref.name)} on {clean_line(ref.backend)}", code=404)
        return found.ref
    if not isinstance(backend, Reader):
        return ref
    for kind in _KINDS:
        try:
            there = await backend.fetch(ref._replace(kind=kind))
        except (UnreachableError, UnauthorizedError, UnservedError):
            raise
        except AbsentError:
            continue
        except BackendError:
            return ref
        meta = there.get("metadata")
        uid = meta.get("uid") if isinstance(meta, dict) else None
        return ref._replace(kind=kind, uid=uid if isinstance(uid, str) else "")
    name, namespace = clean_line(ref.name), clean_line(ref.namespace)
    raise AbsentError(
        f"no VM named {name} in the namespace {namespace} of {clean_line(ref.backend)}",
        hint=await _name_elsewhere(fleet, ref),
        code=404,
    )


@asynccontextmanager
async def explained(fleet: Fleet, ref: Ref) -> AsyncIterator[None]:
    """Where something of the machine is not there, say whether it is the machine or only its instance.

    Raises AbsentError in words that say so, and all else as it comes.
    """
    try:
        yield
    except UnservedError:
        raise
    except AbsentError as error:
        await identify(fleet, ref)
        raise AbsentError(f"{clean_line(ref.path)} does not run", error.detail, error.hint, error.code) from error


async def _name_elsewhere(fleet: Fleet, ref: Ref) -> str:
    """Where the only VM of that name is; empty if there are none or more, or nobody says."""
    backend = fleet.backends[ref.backend]
    if isinstance(backend, Finder):
        with suppress(BackendError):
            found = await backend.find_namespaces(ref._replace(kind=VirtualMachine.KIND))
            if len(found) == 1:
                return f"there is {clean_line(found[0])}/{clean_line(ref.name)}"
    return ""


def own_namespace(options: Namespace, settings: Settings) -> str:
    """The namespace where none was named: that of the configuration, of the context, or ``default``."""
    from kvtui.backends.kubernetes.kubeconfig import load_contexts, load_current_context

    name = options.context[0] if options.context else load_current_context(options.kubeconfig).name
    configured = settings.for_context(name).namespace
    found = (context.namespace for context in load_contexts(options.kubeconfig) if context.name == name)
    return configured or next(found, "") or "default"
