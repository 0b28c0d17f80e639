"""From options and settings to backends."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from kvtui.config import HostSettings, Settings, load_settings, state_dir
from kvtui.errors import ConfigError
from kvtui.hops import Hop, Route

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


def make_fleet(options: Namespace, settings: Settings, names: Sequence[str] = ()) -> Fleet:
    """A fleet of the contexts and hosts called `names`, by default those of the command line and the configuration.

    Nobody is asked yet. Raises ConfigError.
    """
    from kvtui.audit import AuditLog
    from kvtui.backends.ssh import Questions, Routes
    from kvtui.cli.asking import TerminalAsker
    from kvtui.fleet import Fleet

    audit = AuditLog(state_dir() / "audit.jsonl")
    routes = Routes(Questions(TerminalAsker()))
    contexts, hosts = _choose(options, settings, names)
    backends = [
        *(_make_context(options, settings, name, audit, routes) for name in contexts),
        *(_make_host(options, settings, host, audit, routes) for host in hosts),
    ]
    fleet = Fleet(_name_apart(backends), routes=routes)
    _introduce(fleet)
    return fleet


def _choose(
    options: Namespace, settings: Settings, names: Sequence[str]
) -> tuple[Sequence[str], Sequence[HostSettings]]:
    """Which contexts and hosts are meant. Without any name it is the current context and all configured hosts."""
    named = _named_hosts(options, settings)
    if names:
        known = {_name(host): host for host in [*settings.host, *named]}
        return [name for name in names if name not in known], [known[name] for name in names if name in known]
    if options.context or named:
        return list(dict.fromkeys(options.context)), named
    from kvtui.backends.kubernetes.kubeconfig import load_current_context

    try:
        return [load_current_context(options.kubeconfig).name], settings.host
    except ConfigError:
        if options.kubeconfig is not None or not settings.host:
            raise
        return [], settings.host


def _named_hosts(options: Namespace, settings: Settings) -> list[HostSettings]:
    """The hosts of the command line: each one of the configuration by its name or URI, or a URI. Raises ConfigError."""
    from kvtui.backends.libvirt.uri import check_uri

    return [
        next((host for host in settings.host if text in (_name(host), host.uri)), None) or HostSettings(check_uri(text))
        for text in dict.fromkeys(options.host)
    ]


def _name(host: HostSettings) -> str:
    from kvtui.backends.libvirt.uri import name_host

    return host.name or name_host(host.uri)


def _make_context(options: Namespace, settings: Settings, name: str, audit: AuditLog, routes: Routes) -> Backend:
    from kvtui.backends.kubernetes.client import connect

    own = settings.for_context(name)
    namespace = "" if options.all_namespaces else options.namespace or own.namespace
    route = own.route if options.jump is None else options.jump
    dialer = routes.dialer(route) if route else None
    return connect(options.kubeconfig, name, namespace, settings.read_only or own.read_only, audit, dialer=dialer)


def _make_host(options: Namespace, settings: Settings, host: HostSettings, audit: AuditLog, routes: Routes) -> Backend:
    from kvtui.backends.libvirt.client import Place, connect

    route = host.route if options.jump is None else options.jump
    way = make_way(host.uri, route, routes)
    if way is None and host.route:
        raise ConfigError(f"host {_name(host)} has a jump host, but its URI does not lead through ssh",
                          hint="as in qemu+ssh://root@kvm1/system")  # fmt: skip
    return connect(Place(_name(host), host.uri, settings.read_only or host.read_only), audit, way)


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
    )
    return Way(remote, reach)


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

    hosts = list(dict.fromkeys(_name(host) for host in [*settings.host, *_named_hosts(options, settings)]))
    try:
        return [*(context.name for context in load_contexts(options.kubeconfig)), *hosts]
    except ConfigError:
        return hosts
