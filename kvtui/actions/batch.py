"""An action carried out over rows: eight at a time, each row with its state, until its effect is seen.

What was sent stays sent: who cancels keeps the rest from being sent. After a lost connection nobody knows what came of
what was under way there, and nothing more is sent until it is asked for again.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from kvtui.actions import reversals
from kvtui.actions.alarms import Alarms
from kvtui.actions.care import why_undeletable
from kvtui.actions.items import AGAIN, Batch, Item, State, Task
from kvtui.actions.reversals import Reversals
from kvtui.actions.sending import Perform, noted, perform, tell_unknown
from kvtui.errors import KvtuiError, UnansweredError, UnconnectedError, UnreachableError
from kvtui.fleet import Fleet
from kvtui.joins.holdups import hold_deletion
from kvtui.model import FeedState, Ref
from kvtui.resources.base import AnyAction, AnyResource, Product, Progress, Site
from kvtui.resources.listing import find_touched
from kvtui.store import Delta
from kvtui.text import age

AT_ONCE: Final = 8
"""Requests of a batch under way at a time, of each backend: one that hangs holds up no other."""
_PARTING: Final = 1.5
"""Seconds that what is abandoned gets until it is seen what came of it: nobody waits longer at a screen."""
_RECALLED: Final = 600.0
"""Seconds for which a form begins with what was answered when it failed."""
KEPT: Final = 50
"""Batches that are remembered; those that go on are, however many."""
_SEES: Final = frozenset({FeedState.LOADING, FeedState.LIVE, FeedState.STALE})


class Batches:
    """All that was begun, the newest first, and the rows that await an effect."""

    def __init__(self, fleet: Fleet, perform: Perform = perform) -> None:
        self.all: list[Batch] = []
        self._fleet = fleet
        self._perform = perform
        self._number = 0
        self._awaited: dict[Ref, list[Item]] = {}
        """By row, the items that are open, or of which nobody knows; the latest last."""
        self._made: dict[Ref, Item] = {}
        """By what was made, the items that wait for its end."""
        self._reversals = Reversals(fleet.view)
        self._item_listeners: list[Callable[[Collection[Ref]], None]] = []
        self._end_listeners: list[Callable[[Batch], None]] = []
        self._news = asyncio.Event()
        """Set whenever an item comes into another state."""
        self._alarms = Alarms(self._settle)
        self._unlisten = fleet.listen(self._follow)

    def listen(self, changed: Callable[[Collection[Ref]], None]) -> None:
        """Call back when items of rows come into another state."""
        self._item_listeners.append(changed)

    def on_end(self, ended: Callable[[Batch], None]) -> None:
        """Call back when nothing of a batch is open any more."""
        self._end_listeners.append(ended)

    # What is known --------------------------------------------------------------------------------------------------

    def awaited(self, ref: Ref) -> Item | None:
        """The latest item whose mark a row bears."""
        return next((item for item in reversed(self._awaited.get(ref, ())) if item.open and not item.shown), None)

    @property
    def awaiting(self) -> bool:
        """Whether any row bears a mark."""
        return any(item.open and not item.shown for items in self._awaited.values() for item in items)

    def find_failed(self, action: AnyAction, ref: Ref) -> Item | None:
        """The last time that it was done to a row, if it failed, with some answers, a moment ago."""
        items = (item for batch in self.all for item in batch.items if item.action.id == action.id and item.ref == ref)
        item = next(items, None)
        if item is None or item.state is not State.FAILED or self._fleet.clock() - item.since > _RECALLED:
            return None
        return item if item.answers is not None else None

    def pending(self, ref: Ref) -> str | None:
        """What the row awaits and since when: ``starting 3s``; None when nothing."""
        item = self.awaited(ref)
        if item is None:
            return None
        if item.state is State.WAITING:
            return f"{item.action.awaits}, queued"
        now = self._fleet.clock()
        more = ", overdue" if item.is_overdue(now) else self._tell_left(item, now) or self._tell_put_off(item)
        return f"{item.action.awaits} {age(now - (item.asked or now))}{more}"

    def _tell_put_off(self, item: Item) -> str:
        seconds = self._fleet.backends[item.ref.backend].info.put_off if item.state is State.ASKED else 0.0
        return f", server busy, asked again in {math.ceil(seconds)}s" if seconds else ""

    def _tell_left(self, item: Item, now: float) -> str:
        """How long the object still gives what was accepted: a guest its grace period."""
        row = None if item.state is not State.ACCEPTED else item.batch.resource.row(self._fleet.view, item.ref)
        left = None if row is None else item.action.left(row, now)
        return "" if left is None else f", {age(left)} left"

    def open_on(self, ref: Ref) -> Sequence[Item]:
        """All that is awaited of a row or of nobody knows what came of it, the latest first."""
        return tuple(reversed(self._awaited.get(ref, ())))

    def explain(self, item: Item) -> str:
        """What is to be said of an item: the server's words, and while its effect is awaited, what keeps it."""
        now = self._fleet.clock()
        if item.state is not State.ACCEPTED:
            return self._tell_unseen(item, now) + item.words
        held = self.tell_row(item)
        if not item.is_overdue(now):
            return held
        usual = f"overdue, usually within {age(item.patience)}"
        return f"{usual}; {held}" if held else usual

    def _tell_unseen(self, item: Item, now: float) -> str:
        """Of what nobody knows, that it should have been seen by now if it had been done; empty before."""
        looked_for = item.state is State.UNKNOWN and item.row is not None and self.is_heard(item)
        late = now - item.since if looked_for else 0.0
        return f"its effect is not seen after {age(late)}; " if late > item.patience else ""

    def tell_row(self, item: Item) -> str:
        """What is seen now of what an item waits for: ``no node takes it``, ``snapshot web-1 is InProgress``; of a
        backend that is not heard, what was seen last, with the times as they were then.
        """
        now, heard = self._fleet.clock(), self._last_heard(item)
        if heard is None:
            return self._look_at_row(item, now)
        told = self._look_at_row(item, heard)
        return f"{item.ref.backend} was last heard {age(now - heard)} ago{f'; then: {told}' if told else ''}"

    def is_heard(self, item: Item) -> bool:
        """Whether its effect would be seen now: its backend is heard."""
        return self._last_heard(item) is None

    def _last_heard(self, item: Item) -> float | None:
        """When its backend was, in seconds since the epoch; None while it is."""
        feed = self._fleet.view.feed(item.ref.backend, item.ref.kind)
        return feed.since if feed.state is FeedState.STALE else None

    def _look_at_row(self, item: Item, now: float) -> str:
        if item.made is not None or item.effect is not None or (item.action.follow is not None and item.words):
            return item.words
        row = item.batch.resource.row(self._fleet.view, item.ref)
        if row is None or item.row is None:
            return ""
        held = item.action.holds(self._fleet.view, item.row, row, now)
        record = self._fleet.view.record(item.ref)
        if not held and record is not None and record.deleted is not None and item.action.vanishes(item.row):
            held = hold_deletion(record)
        return held or f"its row does not show it yet: it is {item.batch.resource.health(row, now).word}"

    def tell_now(self, item: Item) -> str:
        """How the row of an item that was accepted or is done stands now: what keeps it, or ``it is Running``."""
        if item.state is State.ACCEPTED:
            return self.tell_row(item)
        shows = item.state is State.DONE and not item.unseen
        row = item.batch.resource.row(self._fleet.view, item.ref) if shows else None
        health = None if row is None else item.batch.resource.health(row, self._fleet.clock())
        return "" if health is None else f"it is {': '.join(part for part in (health.word, health.reason) if part)}"

    def why_not(self, action: AnyAction, ref: Ref, row: Any) -> str:
        """Why the action is not possible on a row, which bears that ref, now; empty when it is."""
        backend = self._fleet.backends.get(ref.backend)
        if backend is None:
            return f"{ref.backend} is not connected"
        if backend.info.read_only:
            return f"{ref.backend} is read-only here"
        item = self.awaited(ref) if ref in self._awaited else None
        if item is not None and item.action.id == action.id and not isinstance(row, Site):
            return f"{self._fleet.name(ref)} is {self.pending(ref)} already"
        variant = action.of(row) if action.variants else action
        reason: str = variant.when(row)
        record = None if reason else self._fleet.view.record(ref)
        return reason if record is None else why_undeletable(variant.needs, record)

    # What is done ---------------------------------------------------------------------------------------------------

    def begin(self, action: AnyAction, resource: AnyResource, tasks: Sequence[Task]) -> Batch:
        """Note what is to be done; `carry_out` does it. A row to which it is being done already is left out."""
        self._number += 1
        now = self._fleet.clock()
        batch = Batch(self._number, action, resource, now)
        for task in tasks:
            ref, variant = resource.ref(task.row), action.of(task.row)
            item = Item(batch, ref, variant, task.answers, task.row, since=now)
            item.target = None if task.answers is None else variant.target(task.row, task.answers)
            batch.items.append(item)
            reason = task.reason or self.why_not(action, ref, task.row)
            if reason:
                item.state, item.words, item.row = State.LEFT_OUT, reason, None
                item.already = variant.already(task.row)
            else:
                self._await(item)
        self.all.insert(0, batch)
        self._forget_old()
        self._announce(batch.items)
        return batch

    async def carry_out(self, batch: Batch) -> None:
        """Do it; return when every item was answered, be its effect seen or not. When cancelled, what waits is not sent
        and what is under way is unknown. A fault of ours fails its item alone, and is raised at the end.
        """
        lanes: dict[str, deque[Item]] = {}
        for item in batch.items:
            if item.state is State.WAITING:
                lanes.setdefault(item.ref.backend, deque()).append(item)
        faults: list[Exception] = []
        workers = [
            asyncio.create_task(self._work(lane, faults), name=f"batch {batch.number} on {backend}")
            for backend, lane in lanes.items()
            for _ in range(min(AT_ONCE, len(lane)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._keep_back(batch.items, "the program ended before")
        if faults:
            raise faults[0]

    def cancel(self, batch: Batch) -> int:
        """Keep what was not sent yet from being sent; how many that is."""
        return self._keep_back(batch.items, "cancelled before it was sent")

    def revive(self, batch: Batch) -> list[Item]:
        """Have what is in a state of `AGAIN` wait again, where its row is still there and it is possible; those items.

        The others say why not. `carry_out` sends them.
        """
        again, changed = [], []
        for item in batch.items:
            if item.state not in AGAIN:
                continue
            row = batch.resource.row(self._fleet.view, item.ref)
            reason = "it is gone" if row is None else self.why_not(item.action, item.ref, row)
            if reason:
                self._set(item, State.LEFT_OUT, reason)
            else:
                item.renew(row)
                self._set(item, State.WAITING)
                self._await(item)
                again.append(item)
            changed.append(item)
        self._announce(changed)
        return again

    @property
    def carried(self) -> list[Item]:
        """What would end with the program."""
        return [
            item
            for batch in self.all
            for item in batch.items
            if item.carried and item.row is not None and item.state in (State.ASKED, State.ACCEPTED, State.UNKNOWN)
        ]

    async def abandon(self, patience: float = _PARTING) -> None:
        """End cleanly what the program carries on, and wait a moment until it is seen what came of it."""
        carried = self.carried
        aborts = [
            item.action.abandon(self._fleet.backends[item.ref.backend], item.row)
            for item in carried
            if item.action.abandon is not None
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # What has ended by itself meanwhile cannot be aborted, and need not.
                await asyncio.gather(*aborts, return_exceptions=True)
                while any(item.row is not None for item in carried):
                    self._news.clear()
                    await self._news.wait()

    def close(self) -> None:
        """Follow the fleet no more."""
        self._unlisten()
        self._reversals.close()
        self._alarms.close()

    async def _work(self, lane: deque[Item], faults: list[Exception]) -> None:
        while lane:
            item = lane.popleft()
            if item.state is State.WAITING:
                await self._send(item, faults)

    async def _send(self, item: Item, faults: list[Exception]) -> None:
        """Have one item done, and note the answer."""
        if item.batch.resource.row(self._fleet.view, item.ref) is None:
            self._end(item, State.LEFT_OUT, "it is gone")
            return
        item.asked = self._fleet.clock()
        reversals.note_before(self._fleet.view, item)
        self._reversals.supersede(item.ref)
        self._set(item, State.ASKED)
        self._announce([item])
        try:
            with noted(item):
                await self._perform(self._fleet, item)
        except UnconnectedError as error:
            self._end(item, State.UNSENT, str(error))
            self._give_up(item)
        except UnreachableError as error:
            self._end(item, State.UNKNOWN, tell_unknown(error), keep=True)
            self._give_up(item, "gave no answer" if isinstance(error, UnansweredError) else "was lost")
            self._settle(item)
        except KvtuiError as error:
            self._end(item, State.FAILED, str(error))
        except asyncio.CancelledError:
            self._end(item, State.UNKNOWN, self._tell_unanswered(item), keep=True)
            raise
        except Exception as error:  # noqa: BLE001 - boundary: a fault with one item must not end the others
            faults.append(error)
            self._end(item, State.FAILED, f"a fault of kvtui: {error!r}")
        else:
            words = item.gain
            if item.made is not None and item.action.makes is not None:
                self._made[item.made], item.shown = item, True
                words = " ".join(filter(None, (item.action.makes.noun, item.made.name, item.aim)))
            self._set(item, State.ACCEPTED, words)
            self._announce([item])
            self._settle(item)

    def _tell_unanswered(self, item: Item) -> str:
        row, now = item.batch.resource.row(self._fleet.view, item.ref), self._fleet.clock()
        health = item.batch.resource.health(row, now) if row is not None else None
        words = "its answer was not waited for"
        return f"{words}; {health.reason}" if health is not None and health.reason else words

    def _give_up(self, lost: Item, how: str = "was lost") -> None:
        """Send nothing more of a batch to a backend that was lost, or does not get round to answering."""
        backend = lost.ref.backend
        waiting = [item for item in lost.batch.items if item.ref.backend == backend]
        self._keep_back(waiting, f"{backend} {how} before it was sent")

    def _keep_back(self, items: Iterable[Item], words: str) -> int:
        waiting = [item for item in items if item.state is State.WAITING]
        for item in waiting:
            self._end(item, State.UNSENT, words)
        return len(waiting)

    # What comes of it -----------------------------------------------------------------------------------------------

    def _follow(self, delta: Delta) -> None:
        """Look at the rows that may have changed."""
        if undone := self._reversals.follow(delta, self._fleet.clock()):
            self._announce(undone)
        if not self._awaited or not delta.changes:
            return
        for change in delta.changes if self._made else ():
            # An answer that could not be read gave no uid.
            made = self._made.get(change.ref) or self._made.get(change.ref._replace(uid=""))
            if made is not None:
                self._settle(made)
        resources = {id(item.batch.resource): item.batch.resource for items in self._awaited.values() for item in items}
        touched: dict[Ref, None] = {}
        for resource in resources.values():
            touched.update(find_touched(resource, self._fleet.view, delta))
        touched.update(dict.fromkeys(reversals.list_put_back(self._fleet.view, delta)))
        # What is followed may go on where its row is not.
        followed = [ref for ref, items in self._awaited.items() if any(item.action.follow for item in items)]
        for ref in (touched.keys() & self._awaited.keys()) | set(followed):
            for item in tuple(self._awaited.get(ref, ())):
                self._settle(item)

    def _settle(self, item: Item) -> None:
        """End an item whose effect is seen."""
        if item.state not in (State.ACCEPTED, State.UNKNOWN) or item.row is None:
            return
        before, now = item.row, item.batch.resource.row(self._fleet.view, item.ref)
        if item.action.follow is not None and item.answers is not None:
            progress = item.action.follow(self._fleet.view, before, item.answers, item.asked or item.batch.begun)
            item.shown = item.shown or (now is not None and item.action.shown(before, now))
            if item.state is State.UNKNOWN and progress.untold:
                self._end(item, State.UNKNOWN, item.words)
            else:
                self._take(item, self._alarms.weigh(item, progress, self._fleet.clock()), progress.words)
            return
        if item.made is not None and item.action.makes is not None:
            self._look_at(item, item.made, item.action.makes)
            return
        item.unseen = untold = item.action.settled(before, before)
        if item.state is State.UNKNOWN and untold:
            # Its effect cannot be told from what was there before.
            self._end(item, State.UNKNOWN, item.words)
        elif now is None and (untold or item.action.vanishes(before)):
            self._succeed(item, "it is gone")
        elif now is None:
            self._end(item, State.FAILED, f"it went while {item.action.awaits}: did somebody delete it?")
        elif undone := reversals.tell_undone(self._fleet.view, item):
            self._end(item, State.FAILED, undone)
        elif item.effect is not None:
            self._succeed(item, item.gained)
        elif item.action.settled(before, now):
            failure = item.action.outcome(before, now)
            if failure:
                self._end(item, State.FAILED, failure)
            else:
                self._succeed(item, item.gain or item.action.remark(before, now))
        elif not item.shown and item.state is State.ACCEPTED and item.action.shown(before, now):
            item.shown = True
            self._announce([item])

    def _succeed(self, item: Item, words: str) -> None:
        """Its effect is seen: it is done, once it is also seen that whoever manages the object leaves it so."""
        now = self._fleet.clock()
        left = reversals.seconds_to_look(self._fleet.view, item, now) if item.state is State.ACCEPTED else 0.0
        if not left:
            self._end(item, State.DONE, reversals.tell_left(item, words))
            self._reversals.keep(item)
            return
        if item.effect is None:
            item.effect, item.gained, item.shown, item.words = now, words, True, reversals.tell_awaited(item)
            self._announce([item])
        self._reversals.call_later(left, item, self._settle)

    def _look_at(self, item: Item, made: Ref, product: Product) -> None:
        """End an item whose product has come to its end."""
        record, name = self._fleet.view.record(made), f"{product.noun} {made.name}"
        if record is None and item.seen:
            self._end(item, State.FAILED, f"{name} went before it was done: did somebody delete it?")
        elif record is None:
            feed = self._fleet.view.feed(made.backend, made.kind)
            unseen = f"{name} cannot be seen: {feed.detail or feed.state}"
            item.words = f"{name} {item.aim}".rstrip() if feed.state in _SEES else unseen
        else:
            item.seen = True
            progress = product.judge(record)
            self._take(item, progress, f"{name} is {progress.words}")

    def _take(self, item: Item, progress: Progress, words: str) -> None:
        """Note how far an item is."""
        if progress.failure:
            self._end(item, State.FAILED, f"{words}: {progress.failure}")
        elif progress.over:
            self._succeed(item, words)
        elif words != item.words and item.state is State.ACCEPTED:
            item.words = words
            self._announce([item])

    def _end(self, item: Item, state: State, words: str = "", *, keep: bool = False) -> None:
        """Bring an item to its end; with `keep`, go on looking whether its effect is seen after all."""
        was_open = item.open
        self._set(item, state, words)
        if item.effect is not None and state is State.DONE:
            # It is since then.
            item.since = item.effect
        if not keep:
            item.row = None
            if item.made is not None:
                self._made.pop(item.made, None)
            left = [other for other in self._awaited.get(item.ref, ()) if other is not item]
            if left:
                self._awaited[item.ref] = left
            else:
                self._awaited.pop(item.ref, None)
        self._announce([item])
        item.batch.left -= was_open
        if was_open and not item.batch.left:
            for listener in tuple(self._end_listeners):
                listener(item.batch)

    def _await(self, item: Item) -> None:
        awaited = self._awaited.setdefault(item.ref, [])
        # What nobody knew of was still looked for.
        self._awaited[item.ref] = [*(other for other in awaited if other is not item), item]
        item.batch.left += 1

    def _set(self, item: Item, state: State, words: str = "") -> None:
        item.state, item.words, item.since = state, words, self._fleet.clock()

    def _announce(self, items: Iterable[Item]) -> None:
        self._news.set()
        refs = {item.ref for item in items}
        for listener in tuple(self._item_listeners):
            listener(refs)

    def _forget_old(self) -> None:
        ended = [batch for batch in self.all if not batch.open]
        for batch in ended[KEPT:]:
            self.all.remove(batch)
            self._reversals.forget(batch.items)
            for item in batch.items:
                # Nobody looks any more whether the effect of what was lost is seen.
                item.row = None
                if item.ref in self._awaited:
                    self._awaited[item.ref] = [other for other in self._awaited[item.ref] if other is not item]
