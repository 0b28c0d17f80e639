"""From options and settings to backends."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kvtui.config import Settings, load_settings, state_dir
from kvtui.errors import ConfigError

if TYPE_CHECKING:
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


def make_fleet(options: Namespace, settings: Settings, contexts: Sequence[str] = ()) -> Fleet:
    """A fleet of `contexts`, by default those of the command line; no server is asked yet. Raises ConfigError."""
    from kvtui.audit import AuditLog
    from kvtui.backends.kubernetes.client import connect
    from kvtui.backends.kubernetes.kubeconfig import load_current_context
    from kvtui.fleet import Fleet

    audit = AuditLog(state_dir() / "audit.jsonl")
    names = list(dict.fromkeys(contexts or options.context)) or [load_current_context(options.kubeconfig).name]
    backends = []
    for name in names:
        own = settings.for_context(name)
        namespace = "" if options.all_namespaces else options.namespace or own.namespace
        backends.append(connect(options.kubeconfig, name, namespace, settings.read_only or own.read_only, audit))
    return Fleet(backends)


def name_contexts(options: Namespace) -> list[str]:
    """The contexts of the kubeconfig, the current one first; none where it cannot be read."""
    from kvtui.backends.kubernetes.kubeconfig import load_contexts

    try:
        return [context.name for context in load_contexts(options.kubeconfig)]
    except ConfigError:
        return []
