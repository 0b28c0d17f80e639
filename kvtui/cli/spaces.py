"""Whether the namespace that was given is there at all."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from kvtui.errors import AbsentError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Platform
from kvtui.records.kubernetes import Namespace
from kvtui.text import clean_line

_NAMED: Final = 12
"""How many namespaces are named where the one that was given is not there."""


def check_namespace(fleet: Fleet, name: str, backends: Iterable[str] = ()) -> None:
    """Raise AbsentError, with those that are meant or there, when it is known that no cluster has such a namespace.

    Of the clusters in `backends`, or of all; those whose namespaces the account may not list may have it. Without a
    name there is nothing to check.
    """
    clusters = [*backends] or [
        cluster for cluster, backend in fleet.backends.items() if backend.info.platform is Platform.KUBERNETES
    ]
    view, known = fleet.view, set[str]()
    for cluster in clusters:
        if view.feed(cluster, Namespace.KIND).state is not FeedState.LIVE:
            return
        known |= {ref.name for ref, _ in view.items(Namespace, cluster)}
    if not name or not clusters or name in known:
        return
    alike = get_close_matches(name, sorted(known), n=3) or sorted(known)
    more = f" and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
    there = f"there is {', '.join(alike[:_NAMED])}{more}" if alike else ""
    raise AbsentError(f"there is no namespace {clean_line(name)} in {', '.join(clusters)}", clean_line(there), code=404)
