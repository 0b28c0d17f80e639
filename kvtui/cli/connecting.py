"""From options and settings to backends."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from kvtui.config import HostSettings, Settings, load_settings, state_dir
from kvtui.errors import ConfigError
from kvtui.hops import Hop, Route
from kvtui.text import clean_line

if TYPE_CHECKING:
    from kvtui.audit import AuditLog
    from kvtui.backends.base import Backend
    from kvtui.backends.libvirt.way import Way
    from kvtui.backends.ssh import Routes
    from kvtui.fleet import Fleet


def read_settings(options: Namespace) -> Settings:
    """The configuration with what the command line says over it. Raises ConfigError."""
    settings = load_settings(options.config)
    settings.read_only = settings.read_only or options.read_only
    settings.slow_link = settings.slow_link or options.slow_link
    settings.mouse = settings.mouse and not options.no_mouse
    settings.console.record = options.record or settings.console.record
    settings.theme = options.theme or settings.theme
    return settings


def make_fleet(
    options: Namespace, settings: Settings, names: Sequence[str] = (), *, patience: float | None = None
) -> Fleet:
    """A fleet of the contexts and hosts called `names`, by default those of the command line and the configuration.

    `patience`: for how many seconds a cluster may put off what it is asked, by default those of ``--timeout``. Nobody
    is asked yet. Raises ConfigError.
    """
    from kvtui.audit import AuditLog
    from kvtui.backends.ssh import Questions, Routes
    from kvtui.cli.asking import TerminalAsker
    from kvtui.fleet import Fleet

    if options.as_groups and not options.as_user:
        raise ConfigError("--as-group was given without --as", hint="say as which user as well")
    audit = AuditLog(state_dir() / "audit.jsonl")
    routes = Routes(Questions(TerminalAsker()))
    contexts, hosts = _choose(options, settings, names)
    if options.as_user and hosts:
        if names or options.host or not contexts:
            raise ConfigError(f"--as means nothing to libvirt, and to {hosts[0].name}", hint="leave one of them out")
        hosts = []
    _refuse_idle_jump(options, contexts, hosts)
    patience = patience or vars(options).get("timeout")
    backends = [
        *(_make_context(options, settings, name, audit, routes, patience) for name in contexts),
        *(_make_host(options, settings, host, audit, routes) for host in hosts),
    ]
    care = {name: settings.care_for(name) for name in contexts} | {host.name: host.care for host in hosts}
    fleet = Fleet(_name_apart(backends), routes=routes, care=care)
    _introduce(fleet)
    return fleet


def _refuse_idle_jump(options: Namespace, contexts: Sequence[str], hosts: Sequence[HostSettings]) -> None:
    """Raise ConfigError when nobody goes by the jump host that the user names, for all are on this machine."""
    from kvtui.backends.libvirt.uri import has_machine

    if options.jump and options.host and not contexts and not any(has_machine(host.uri) for host in hosts):
        names = ", ".join(clean_line(host.name) for host in hosts)
        raise ConfigError("--jump leads nowhere", f"on this machine: {names}",
                          "what is behind a jump host is reached as in qemu+ssh://root@kvm1/system")  # fmt: skip


def _choose(
    options: Namespace, settings: Settings, names: Sequence[str]
) -> tuple[Sequence[str], Sequence[HostSettings]]:
    """Which contexts and hosts are meant. Without any name it is the current context and all configured hosts; a
    kubeconfig beside hosts means its current context too.
    """
    hosts = list_hosts(options, settings)
    if names:
        return [name for name in names if name not in hosts], [hosts[name] for name in names if name in hosts]
    from kvtui.backends.kubernetes.kubeconfig import load_current_context

    if options.context or options.host:
        wanted = [host for name, host in hosts.items() if not {name, host.uri}.isdisjoint(options.host)]
        if options.kubeconfig is not None and not options.context:
            return [load_current_context(options.kubeconfig).name], wanted
        return list(dict.fromkeys(options.context)), wanted

    try:
        return [load_current_context(options.kubeconfig).name], list(hosts.values())
    except ConfigError:
        if options.kubeconfig is not None or not hosts:
            raise
        return [], list(hosts.values())


def list_hosts(options: Namespace, settings: Settings) -> dict[str, HostSettings]:
    """Every host by its name: those of the configuration, and those of the command line. Raises ConfigError."""
    from kvtui.backends.libvirt.uri import is_uri

    hosts = _name_hosts(settings.host, taken=options.context)
    known = {text for name, host in hosts.items() for text in (name, host.uri)}
    further = [text for text in dict.fromkeys(options.host) if text not in known]
    typo = next((text for text in further if not is_uri(text)), None)
    if typo is not None:
        said = f"configured: {', '.join(hosts)}" if hosts else "none is configured"
        hint = "or give a URI, as in qemu:///system or qemu+ssh://root@kvm1/system"
        raise ConfigError(f"no host is called {clean_line(typo)}", said, hint)
    return hosts | _name_hosts([HostSettings(uri) for uri in further], taken=[*hosts, *options.context])


def _name_hosts(hosts: Sequence[HostSettings], taken: Collection[str]) -> dict[str, HostSettings]:
    """Hosts by their names, of which those that have none get one that is not `taken`."""
    from kvtui.backends.libvirt.uri import check_uri, name_hosts

    for host in hosts:
        check_uri(host.uri)
    own = [host.name for host in hosts if host.name]
    given = name_hosts([host.uri for host in hosts if not host.name], {*own, *taken})
    found: dict[str, HostSettings] = {}
    for host in hosts:
        name = host.name or given[host.uri]
        if name in found:
            raise ConfigError(f"two hosts are called {name}", hint="give one of them another name in [[host]]")
        found[name] = msgspec.structs.replace(host, name=name)
    return found


def _make_context(
    options: Namespace, settings: Settings, name: str, audit: AuditLog, routes: Routes, patience: float | None
) -> Backend:
    from kvtui.backends.kubernetes.client import Timings, connect
    from kvtui.backends.kubernetes.impersonation import Impersonation

    own = settings.for_context(name)
    namespace = "" if options.all_namespaces else options.namespace or own.namespace
    route = own.route if options.jump is None else options.jump
    dialer = routes.dialer(route) if route else None
    if route:
        routes.bastions.lead_to_context(name, route)
    return connect(
        options.kubeconfig,
        name,
        namespace,
        settings.is_read_only(name),
        audit,
        timings=Timings(busy=patience) if patience else None,
        dialer=dialer,
        acting_as=Impersonation(options.as_user or "", tuple(options.as_groups)),
    )


def _make_host(options: Namespace, settings: Settings, host: HostSettings, audit: AuditLog, routes: Routes) -> Backend:
    from kvtui.backends.libvirt.client import Place, connect
    from kvtui.backends.libvirt.uri import has_machine

    route = host.route if options.jump is None else options.jump
    way = make_way(host.uri, route, routes)
    if way is not None:
        routes.bastions.lead_to_host(host.name, way.route)
    if way is None and route and (host.route or has_machine(host.uri)):
        raise ConfigError(f"host {host.name} has a jump host, but its URI does not lead through ssh",
                          hint="as in qemu+ssh://root@kvm1/system")  # fmt: skip
    return connect(Place(host.name, host.uri, settings.read_only or host.read_only), audit, way)


def make_way(uri: str, route: Route, routes: Routes) -> Way | None:
    """The way to the host of a URI, behind the hops of `route`; None where the URI does not lead through ssh."""
    from kvtui.backends.libvirt.uri import parse_remote
    from kvtui.backends.libvirt.way import Reach, Way

    remote = parse_remote(uri)
    if remote is None:
        return None
    hops = (*route, Hop(remote.host, remote.user, remote.port or 0))
    reach = Reach(
        forward_socket=partial(routes.forward_socket, hops),
        open_shell=partial(routes.open_shell, hops),
        dial=partial(routes.dial, hops),
        check=partial(routes.check, hops),
    )
    return Way(remote, reach, hops)


def _introduce(fleet: Fleet) -> None:
    """Let the hosts know each other: domains move between them."""
    from kvtui.backends.libvirt.client import LibvirtBackend

    hosts = {name: one for name, one in fleet.backends.items() if isinstance(one, LibvirtBackend)}
    for host in hosts.values():
        host.peers = hosts


def _name_apart(backends: Sequence[Backend]) -> Sequence[Backend]:
    """Raise ConfigError when two backends bear one name: nobody could tell their machines apart."""
    names = [backend.name for backend in backends]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two backends are called {twice}", hint="give one of them another name in [[host]]")
    return backends


def name_places(options: Namespace, settings: Settings) -> list[str]:
    """The contexts of the kubeconfig, the current one first, and the hosts; no contexts where it cannot be read."""
    from kvtui.backends.kubernetes.kubeconfig import load_contexts

    hosts = list(list_hosts(options, settings))
    try:
        return [*(context.name for context in load_contexts(options.kubeconfig)), *hosts]
    except ConfigError:
        return hosts
