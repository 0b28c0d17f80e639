"""What a resource is: the declaration of one kind, from which pane, command line, footer, palette and help are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Concatenate, Generic, TypeVar

from kvtui.backends.base import Backend, Lifecycle, Migrations, Permission, Source
from kvtui.backends.objects import Objects
from kvtui.backends.transfer import Transfer
from kvtui.errors import BackendError
from kvtui.model import Cell, Health, Platform, Ref, Tone
from kvtui.records.base import Record
from kvtui.resources.form import Answers, Form
from kvtui.store import View

Row = TypeVar("Row")
Ability = TypeVar("Ability")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column. `cell` is pure: it gets the row and the present time in seconds since the epoch."""

    title: str
    cell: Callable[[Row, float], Cell]
    width: int
    """Columns of the terminal it asks for."""
    rank: int = 1
    """How soon it gives way when the terminal is narrow: 0 never, then the highest first."""
    grow: int = 0
    """Its share of the room that is left over."""
    right: bool = False
    ticks: bool = False
    """Whether its text changes with time alone (an age, a countdown)."""
    wide: bool = False
    """Only shown by ``-o wide`` and in a zoomed pane."""
    measured: bool = False
    """Whether its text comes from what a metrics server measures now and then."""
    drifts: bool = False
    """Whether it is a figure that moves while nothing happens, of which a watch tells nobody."""
    order: str = ""
    """How its cells are ordered where that is neither the alphabet nor a number: ``active first``."""


class Danger(Enum):
    """How an action is confirmed."""

    NONE = "none"
    ASK = "ask"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an object is that was made."""

    words: str
    """In a clause after "is": ``InProgress: waits for its volumes``."""
    over: bool = False
    """Whether nothing more is to be waited for."""
    failure: str = ""
    """Why it came to nothing, in the object's words."""
    due: float | None = None
    """From when on that end counts, in seconds since the epoch, if nothing else is seen by then; None for at once."""
    untold: bool = False
    """Whether nothing shows that it was done: it is over because there is nothing more to be seen."""


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of object that actions make."""

    noun: str
    source: Source
    """Where it is seen."""
    judge: Callable[[Any], Progress]
    """Pure: how far the record is."""


@dataclass(frozen=True)
class Action(Generic[Row]):
    """Something a user can do to rows. One declaration gives key, footer, palette, help, README line and test."""

    id: str
    """``vm.start``: what keymaps and the audit log call it."""
    key: str
    """In Textual's spelling: ``s``, ``S``, ``ctrl+k``. Empty for what is only in the menu of actions."""
    label: str
    """One or two words for the footer: ``start``."""
    help: str
    """One sentence for help and palette."""
    needs: Permission
    when: Callable[[Row], str]
    """Why it is not possible on this row; empty when it is. The user reads it when the key is pressed anyway."""
    run: Callable[Concatenate[Backend, Row, ...], Awaitable[Ref | None]]
    """Does it to one row, and returns what it made, if anything.

    Gets the `Answers` too where there is a form, the text and what it was where it is edited.
    """
    settled: Callable[[Row, Row], bool]
    """Whether the row as it is now, beside the row as it was when the action was asked for, shows the effect."""
    awaits: str
    """What the row says until then: ``starting``."""
    already: Callable[[Row], bool] = lambda _row: False
    """Whether the row, where it is not possible, is as it would be then: a command has nothing to do, and ends well."""
    outcome: Callable[[Row, Row], str] = lambda _before, _now: ""
    """Once it is settled, by the same two rows: why it came to nothing after all; empty when it did not."""
    remark: Callable[[Row, Row], str] = lambda _before, _now: ""
    """Once it is settled and came to something: what is to be said of that all the same; mostly nothing."""
    shown: Callable[[Row, Row], bool] = lambda _before, _now: False
    """Whether the row itself shows by now how it goes on: its mark ends, though the effect is still awaited."""
    makes: Product | None = None
    """What it makes, with a life of its own: where `run` returned one, its end is awaited and not that of the row."""
    vanishes: Callable[[Row], bool] = lambda _row: False
    """Whether the row, as it was, goes once it is done; of any other action a row that goes is a failure."""
    follow: Callable[[View, Row, Answers, float], Progress] | None = None
    """How far it is, where the row goes and comes up elsewhere: pure, by the row as it was, what was answered, and the
    time at which it was asked for. Instead of `settled`.
    """
    carried: Callable[[Answers], bool] = lambda _answers: False
    """Whether, with these answers, the program itself carries it on: it ends with the program."""
    abandon: Callable[[Backend, Row], Awaitable[None]] | None = None
    """Ends it cleanly, where the program carries it on and has to go."""
    danger: Danger = Danger.NONE
    warn: Callable[[Row], tuple[str, ...]] = lambda _row: ()
    """What a confirmation must say of this row, computed from the objects."""
    breaks: Callable[[View, Row], Iterable[str]] = lambda _view, _row: ()
    """What it harms, where that depends on other rows: said, and asked about even where nothing else is asked."""
    prepare: Callable[[Mapping[str, Backend], View, Sequence[Row]], Awaitable[Any]] | None = None
    """What the backends are asked before the form is shown; the form gets the answer. Raises KvtuiError."""
    form: Callable[Concatenate[View, Sequence[Row], ...], Form] | None = None
    """What is asked before it runs on these rows; see kvtui/resources/form.py."""
    reads: tuple[Source, ...] = ()
    """What the form looks at besides what the resource does: on the screen all of it is live, a command asks for it."""
    measured: bool = False
    """Whether what it harms is told by figures of the row: on the screen they are there, a command waits for them."""
    transfer: Callable[[Backend, Row, Answers], Transfer] | None = None
    """What it begins that goes on for long, with figures of its own: on the screen, instead of `run`."""
    edit: Callable[[Backend, Row], Awaitable[str]] | None = None
    """The text that is edited in the user's editor before it runs."""
    single: bool = False
    """Whether it makes sense for one row at a time only."""
    usual: float = 60.0
    """Seconds after which the effect is overdue."""
    lasts: float = 0.0
    """The same of what goes on for long, once its row shows it, or for what it makes; 0 for `usual`."""
    patience: Callable[[Row], float] | None = None
    """The same of this row, as it was when the action was asked for, where `usual` is not one for all."""
    left: Callable[[Row, float], float | None] = lambda _now, _clock: None
    """Seconds that the object itself still gives it, as the row is now, for a countdown; None where there is none."""
    holds: Callable[[View, Row, Row, float], str] = lambda _view, _before, _now, _clock: ""
    """What the row, as it was and as it is now, shows that keeps it from being done; empty when nothing."""
    footer: bool = True
    command: str = ""
    """The word on the command line: ``kvtui stop``; empty where it makes no sense there."""
    also: tuple[Permission, ...] = ()
    """What it needs besides."""
    touches: Callable[[Row, Answers], Iterable[Ref]] = lambda _row, _answers: ()
    """What else it is done to besides the row, for who looks that up in the audit log: the VM of a snapshot."""
    target: Callable[[Row, Answers], Ref | None] = lambda _row, _answers: None
    """The VM that there is in the end, where what is made only leads to it: that of a clone."""
    variants: tuple[tuple[type[Any], Action[Any]], ...] = ()
    """How it is done to rows of which type, where a pane shows machines of several platforms."""

    def of(self, row: Row) -> Action[Row]:
        """The action as this row wants it."""
        return next((action for type_, action in self.variants if isinstance(row, type_)), self)


@dataclass(frozen=True, slots=True)
class Site:
    """Where something is made that is not there yet: the row of a maker."""

    backend: str
    namespace: str
    platform: Platform = Platform.KUBERNETES

    @property
    def ref(self) -> Ref:
        """The place as what bears no name."""
        return Ref(self.backend, "", self.namespace, "")


Related = Callable[[View, Ref, Any], Iterable[Ref]]
"""The rows that a changed record (its ref, its state) has a part in."""


@dataclass(frozen=True)
class Resource(Generic[Row]):
    """One kind as users meet it."""

    name: str
    """As typed after ``kvtui get`` and ``:``: ``vms``."""
    aliases: tuple[str, ...]
    title: str
    """As the pane's border shows it: ``VMs``."""
    label: str
    """One of them, in a word: ``vm``."""
    row_type: type[Row]
    sources: tuple[Source, ...]
    """What must be live for its rows; the first of each platform is the one whose feed the pane's border tells of."""
    refs: Callable[[View], Iterable[Ref]]
    """All rows there are."""
    row: Callable[[View, Ref], Row | None]
    """One row, joined from the records that it stands for; None when there is none (any more)."""
    related: Mapping[type[Record], Related]
    """Which rows to make anew when a record of that type comes, changes or goes."""
    ref: Callable[[Row], Ref]
    health: Callable[[Row, float], Health]
    columns: tuple[Column[Row], ...]
    fields: Callable[[Row], Mapping[str, str]]
    """Further values for ``field:value`` filters, lower-case names: node, os, image ..."""
    labels: Callable[[Row], Mapping[str, str]]
    """Kubernetes labels, for ``-l`` filters."""
    measured: tuple[Source, ...] = ()
    """Those whose records tell figures a moment after they are listed; see `Record.awaited`."""
    sort: str = "NAME"
    """The column that it is first sorted by."""
    descending: bool = False
    actions: tuple[Action[Row], ...] = ()
    makers: tuple[Action[Site], ...] = ()
    """What needs no row: it makes one. Run on a `Site`, which the screen takes from the row under the cursor or from
    the namespace that is shown, the command line from its options; a form may ask for another ``namespace``.
    """
    arriving: Callable[[Row], bool] = lambda _row: False
    """Whether the row stands for what is elsewhere yet, so that who names it means the other one."""
    elsewhere: str = ""
    """Where what one may look for in vain here is listed; said of a list that is empty."""
    placed: frozenset[Platform] = frozenset()
    """Platforms of whose rows the columns name the backend already: a host of libvirt is a node."""

    @property
    def own(self) -> tuple[Source, ...]:
        """Of each platform, the source of the rows themselves; the others are joined."""
        first: dict[Platform, Source] = {}
        for source in self.sources:
            first.setdefault(source.platform, source)
        return tuple(first.values())

    @property
    def verbs(self) -> tuple[AnyAction, ...]:
        """All that can be done on its pane: to its rows, and without one."""
        return (*self.actions, *self.makers)

    @property
    def joined(self) -> tuple[Source, ...]:
        """The sources of what rows are joined with."""
        return tuple(source for source in self.sources if source not in self.own)


AnyResource = Resource[Any]
AnyAction = Action[Any]


def at_sites(resource: AnyResource) -> AnyResource:
    """The resource as its makers know it: its rows are sites, and always there."""
    return replace(
        resource,
        row_type=Site,
        row=lambda _view, ref: Site(ref.backend, ref.namespace),
        ref=lambda site: site.ref,
        health=lambda _site, _now: Health(Tone.MUTED, ""),
        actions=(),
    )


def show_backend(resource: AnyResource) -> AnyResource:
    """The resource with a column for the backend of each row, for when there are several.

    One that another column names is not named twice.
    """
    platforms = {source.kind: source.platform for source in resource.sources}

    def cell(row: Any, _now: float) -> Cell:
        ref = resource.ref(row)
        platform = platforms.get(ref.kind)
        return Cell(platform if platform in resource.placed else ref.backend)

    if resource.placed.issuperset(platforms.values()):
        return replace(resource, fields=lambda row: {**resource.fields(row), "backend": resource.ref(row).backend})
    column: Column[Any] = Column("BACKEND", cell, 10, rank=0, grow=1)
    return replace(resource, columns=(column, *resource.columns))


def itself(_view: View, ref: Ref, _record: Record) -> tuple[Ref, ...]:
    """For `related`: the record is the row."""
    return (ref,)


def lifecycle(backend: Backend) -> Lifecycle:
    """The backend as one that can start and stop. Raises BackendError when it cannot."""
    return able(backend, Lifecycle)  # type: ignore[type-abstract]


def migrations(backend: Backend) -> Migrations:
    """The backend as one that migrates. Raises BackendError when it does not."""
    return able(backend, Migrations)  # type: ignore[type-abstract]


def objects(backend: Backend) -> Objects:
    """The backend as one whose objects are created, changed and deleted. Raises BackendError when they are not."""
    return able(backend, Objects)  # type: ignore[type-abstract]


def able(backend: Backend, protocol: type[Ability]) -> Ability:
    """The backend as one that can do what a protocol says. Raises BackendError when it cannot."""
    if not isinstance(backend, protocol):
        raise BackendError(f"{backend.name} cannot do that", f"it has no {protocol.__name__.lower()}")
    return backend
