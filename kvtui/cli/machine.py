"""The one machine that a command names, and the fleet that it is in."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, TypeVar

from kvtui.cli.connecting import make_fleet
from kvtui.config import NAMESPACE, Settings
from kvtui.errors import BackendError, ConfigError
from kvtui.model import Ref

if TYPE_CHECKING:
    from kvtui.backends.base import Backend
    from kvtui.fleet import Fleet

Capability = TypeVar("Capability")


def find_machine(options: Namespace, settings: Settings) -> tuple[Fleet, Ref]:
    """The fleet of one backend, and the VM that ``options.machine`` names: NAME or NAMESPACE/NAME. Nobody is asked yet.

    Without a namespace it is that of ``-n``, of the configuration, of the context, or ``default``: as kubectl has it.
    Raises ConfigError when it is not clear which VM is meant.
    """
    if len(options.context) > 1:
        raise ConfigError("the command is about one VM", "several contexts were given", "give one --context")
    if options.all_namespaces:
        raise ConfigError("the command is about one VM", "-A means all namespaces", "name it as NAMESPACE/NAME")
    namespace, _, name = options.machine.rpartition("/")
    if not name or (namespace and not NAMESPACE.fullmatch(namespace)):
        raise ConfigError(f"{options.machine!r} names no VM", hint="write NAME or NAMESPACE/NAME")
    if namespace and options.namespace not in (None, namespace):
        raise ConfigError(f"{options.machine} is not in the namespace {options.namespace}", hint="leave out -n")
    options.namespace = namespace or options.namespace or _own_namespace(options, settings)
    fleet = make_fleet(options, settings)
    backend = next(iter(fleet.backends.values()))
    return fleet, Ref(backend.name, "VirtualMachineInstance", options.namespace, name)


def capable(fleet: Fleet, ref: Ref, capability: type[Capability], what: str) -> Capability:
    """The backend of the machine as what it must be able to do. Raises BackendError when it is not."""
    backend: Backend = fleet.backends[ref.backend]
    if not isinstance(backend, capability):
        raise BackendError(f"{ref.backend} has no {what}")
    return backend


def _own_namespace(options: Namespace, settings: Settings) -> str:
    from kvtui.backends.kubernetes.kubeconfig import load_contexts, load_current_context

    name = options.context[0] if options.context else load_current_context(options.kubeconfig).name
    configured = settings.for_context(name).namespace
    found = (context.namespace for context in load_contexts(options.kubeconfig) if context.name == name)
    return configured or next(found, "") or "default"
