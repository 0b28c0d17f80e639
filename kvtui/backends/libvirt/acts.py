"""What all verbs of a host have in common: the guard before them, the domain that is meant, and what is told after."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from kvtui.backends.acting import Guard
from kvtui.backends.domains import Scope
from kvtui.backends.libvirt.link import Lane, load
from kvtui.errors import BackendError, ConflictError, UnconnectedError, UnreachableError
from kvtui.model import Ref
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

VOLUMES_CHANGED: Final = "kvtui.VOLUMES"
"""The event of volumes that came, changed or went by what was done here."""
NO_DOMAIN: Final = 42  # VIR_ERR_NO_DOMAIN
_REFUSED: Final = "it was refused"


class Acts:
    """Does things to the domains of one host. The backend is made of what inherits this."""

    _guard: Guard

    @abstractmethod
    async def call(self, ask: Callable[[libvirt.virConnect], T], title: str, lane: Lane = Lane.CALLS) -> T:
        """Ask libvirt something, in a thread; `ask` must return plain values. Raises BackendError with `title`."""

    def announce(self, name: str, uuid: str, title: str = "") -> None:
        """Have what was done looked at, where libvirt has no event of it."""

    async def _act(
        self,
        verb: str,
        ref: Ref,
        do: Callable[[libvirt.virDomain], T],
        *,
        lane: Lane = Lane.CALLS,
        changed: str = "kvtui.DOMAIN",
    ) -> T:
        """What `do` returns, called with the domain in a thread of libvirt's; it must return plain values.

        `changed` names the event that is announced after it.
        """

        def on_domain(connection: libvirt.virConnect) -> T:
            return do(find_domain(connection, ref))

        async def ask() -> T:
            try:
                return await self.call(on_domain, _REFUSED, lane)
            except UnreachableError as error:
                raise tell_unreached(error, verb, ref) from None

        done = await self._guard.act(verb, ref, ask)
        self.announce(changed, ref.uid, ref.name)
        return done


def tell_unreached(error: UnreachableError, verb: str, ref: Ref) -> UnreachableError:
    """What to say of a verb that got no answer: it may have been carried out, unless there was no connection."""
    name, host = clean_line(ref.path), clean_line(ref.backend)
    if isinstance(error, UnconnectedError):
        return UnconnectedError(f"{host} is not connected: {verb} of {name} was not sent", error.detail, error.hint)
    way_out = f"look at {name} again once {host} is back"
    return UnreachableError(f"nobody knows whether {verb} of {name} was accepted", error.detail, way_out)


def find_domain(connection: libvirt.virConnect, ref: Ref) -> libvirt.virDomain:
    """The very domain that is meant, whatever it is called by now. Raises ConflictError when another has its name."""
    if not ref.uid:
        return connection.lookupByName(ref.name)
    module = load()
    try:
        return connection.lookupByUUIDString(ref.uid)
    except module.libvirtError as error:
        if error.get_error_code() != NO_DOMAIN or not has_domain(connection, ref.name):
            raise
    words = f"{ref.path} was re-created since; nothing was done"
    raise ConflictError("it is another one by now", words, code=NO_DOMAIN)


def has_domain(connection: libvirt.virConnect, name: str) -> bool:
    """Whether there is a domain of that name."""
    module = load()
    try:
        connection.lookupByName(name)
    except module.libvirtError as error:
        if error.get_error_code() == NO_DOMAIN:
            return False
        raise
    return True


def each_flag(scope: Scope) -> list[tuple[str, int]]:
    """The running machine first: what it refuses need not be stored. With a word for each."""
    module = load()
    parts = [("running", module.VIR_DOMAIN_AFFECT_LIVE, scope.live),
             ("stored", module.VIR_DOMAIN_AFFECT_CONFIG, scope.stored)]  # fmt: skip
    return [(word, flag) for word, flag, wanted in parts if wanted]


def apply(scope: Scope, change: Callable[[int], object]) -> None:
    """Make a change with the flag of each part of the scope. Says what was done when only the first was."""
    module = load()
    done = ""
    for word, flag in each_flag(scope):
        try:
            change(flag)
        except module.libvirtError as error:
            if not done:
                raise
            failure = BackendError(
                f"the {done} machine was changed, the {word} one not", error.get_error_message() or str(error)
            )
        else:
            done = word
            continue
        raise failure


def scope_words(scope: Scope) -> str:
    """For the audit log: to what alone a change is made; empty when to both."""
    if scope.live and scope.stored:
        return ""
    return ", running" if scope.live else ", stored"
