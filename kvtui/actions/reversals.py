"""What becomes of a change to an object that somebody keeps as it is declared elsewhere: Argo CD, Flux and the like.

Argo CD tells what it has put back, and does so within seconds. What others do shows only in the object itself.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from kvtui.actions.care import find_manager, lasts
from kvtui.actions.items import Item
from kvtui.joins.gitops import find_put_back, machines_put_back
from kvtui.model import FeedState, Ref
from kvtui.records.base import Record
from kvtui.records.gitops import Application
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import Delta, View
from kvtui.text import age

LOOK: Final = 20.0
"""Seconds from the request until a manager that tells has looked: ``--self-heal-timeout-seconds`` of Argo CD is 5."""

_Key = tuple[str, str, str, str]


def note_before(view: View, item: Item) -> None:
    """Before it is asked for: who may undo it, and how the object is."""
    record = view.record(item.ref)
    item.manager = None if record is None else find_manager(view, item.action.needs, item.ref, record)
    item.before = None if item.manager is None or item.manager.tells else _digest(record)
    item.put_back = _last_put_back(view, item.ref)


def list_put_back(view: View, delta: Delta) -> Iterator[Ref]:
    """The VMs of which an application of Argo CD tells now that it has put them back."""
    for change in delta.changes:
        if isinstance(change.record, Application):
            yield from machines_put_back(view, change.ref, change.record)


def tell_undone(view: View, item: Item) -> str:
    """Who has taken back the change that an item made; empty where nobody told, or it changes nothing that lasts."""
    back, record = find_put_back(view, item.ref), view.record(item.ref)
    if back is None or back.at == item.put_back or record is None or not lasts(item.action.needs, record):
        return ""
    return back.tell()


def seconds_to_look(view: View, item: Item, now: float) -> float:
    """For how long its manager is still looked at, at least a second while that is not heard; 0 when no longer."""
    if item.manager is None or not item.manager.tells or item.asked is None:
        return 0.0
    feeds = (view.feed(item.ref.backend, kind).state for kind in (item.ref.kind, Application.KIND))
    return max(item.asked + LOOK - now, 1.0 if FeedState.STALE in feeds else 0.0)


def tell_awaited(item: Item) -> str:
    """That its effect is seen, and what is not yet."""
    name = item.manager.name if item.manager is not None else "nobody"
    so_far = "it is accepted" if item.unseen else "its effect is seen"
    return f"{so_far}, but not yet whether {name} puts it back"


def tell_left(item: Item, words: str) -> str:
    """What is to be said of an item that is done, with what its manager did about it."""
    if item.manager is None:
        return words
    again = "may make it anew" if item.action.needs.verb == "delete" else "may put it back"
    told = f"has not put it back in {age(LOOK)}" if item.effect is not None else again
    return "; ".join(filter(None, (words, f"{item.manager.name} {told}")))


class Reversals:
    """What is done and may still be undone: looked at until it is forgotten."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._done: dict[_Key, list[Item]] = {}
        self._timers: dict[Item, asyncio.TimerHandle] = {}

    def call_later(self, seconds: float, item: Item, look: Callable[[Item], None]) -> None:
        """Look at an item in some seconds, if that is not to be done already."""

        def call() -> None:
            del self._timers[item]
            look(item)

        if item not in self._timers:
            self._timers[item] = asyncio.get_running_loop().call_later(seconds, call)

    def close(self) -> None:
        """Look at nothing any more."""
        for timer in self._timers.values():
            timer.cancel()

    def keep(self, item: Item) -> None:
        """It is done: look at it from now on, where its undoing would be seen."""
        if item.manager is not None and (item.manager.tells or self._is_changed(item)):
            self._done.setdefault(item.ref[:4], []).append(item)

    def forget(self, items: Iterable[Item]) -> None:
        """Look at these no more: nobody remembers them, or they are asked for anew."""
        for item in items:
            left = [other for other in self._done.get(item.ref[:4], ()) if other is not item]
            if left:
                self._done[item.ref[:4]] = left
            else:
                self._done.pop(item.ref[:4], None)

    def supersede(self, ref: Ref) -> None:
        """Something else is asked of an object: what becomes of it is no undoing of what was done before."""
        self._done.pop(ref[:4], None)

    def follow(self, delta: Delta, now: float) -> list[Item]:
        """Those that are seen to be undone now."""
        if not self._done:
            return []
        undone = []
        refs = (*(change.ref for change in delta.changes), *list_put_back(self._view, delta))
        for key in {ref[:4] for ref in refs} & self._done.keys():
            for item in self._done[key]:
                if words := self._tell(item, now):
                    item.words, item.undone = words, True
                    undone.append(item)
        self.forget(undone)
        return undone

    def _tell(self, item: Item, now: float) -> str:
        assert item.manager is not None
        if item.manager.tells:
            back = find_put_back(self._view, item.ref)
            if back is None or back.at == item.put_back:
                return ""
            return f"after {age(max(0.0, back.at - item.since))} {back.tell()}"
        if self._is_changed(item):
            return ""
        return f"after {age(now - item.since)} its spec is as it was before: {item.manager.name} keeps it so"

    def _is_changed(self, item: Item) -> bool:
        """Whether it is known to be declared in another way than before."""
        now = self._view.get(VirtualMachine, item.ref.backend, item.ref.namespace, item.ref.name)
        return item.before is not None and _digest(now) != item.before


def _digest(record: Record | None) -> int | None:
    """A number for all that is known of how a VM is declared; None for what is no VM, or is gone."""
    return zlib.crc32(msgspec.json.encode(record.spec)) if isinstance(record, VirtualMachine) else None


def _last_put_back(view: View, ref: Ref) -> float | None:
    back = find_put_back(view, ref)
    return None if back is None else back.at
