"""A real guest behind the demo cluster's console, and somebody at kvtui's session with it; real libvirt hosts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import KubernetesBackend, connect
from kvtui.console.session import Session
from kvtui.console.sight import Sight, Stage
from kvtui.console.state import State
from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.storage import Object
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachine
from tests.cluster import RunningCluster, running_cluster
from tests.console.tmux import MISSING, Tmux
from tests.demo.wire import machine
from tests.real.domains import Guest, running_guest
from tests.real.hosts import NAMES, Host, PrivilegeError, missing
from tests.real.image import Image, MissingError, make_image
from tests.real.operator import Capture, Operator, Tap
from tests.real.qemu import QemuGuest

SPEED = 20.0
"""Virtual seconds of the cluster in a real one; the guest lives in real time."""


def give_up(reason: str) -> NoReturn:
    """Skip the test for want of something, but in CI fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def import_libvirt() -> Any:
    """libvirt-python, for the top of a file of tests: without it none of them is run. It prints no errors itself."""
    try:
        import libvirt
    except ImportError:
        give_up(missing())
    libvirt.registerErrorHandler(lambda *_: None, None)
    return libvirt


@pytest.fixture(scope="session")
def image() -> Image:
    """The guest's kernel and initramfs."""
    try:
        return make_image()
    except MissingError as error:
        give_up(f"no guest: {error}")


@pytest.fixture(scope="module")
def tmux() -> Iterator[Tmux]:
    """A tmux server of the module's own."""
    if MISSING:
        give_up(MISSING)
    with Tmux() as server:
        yield server


# libvirt hosts


@pytest.fixture
def make_host() -> Iterator[Callable[..., Host]]:
    """Makes hosts, as Host does, that a test may break; they end with it."""
    with contextlib.ExitStack() as ends:

        def make(name: str, **options: bool) -> Host:
            try:
                return ends.enter_context(Host(name, **options))
            except PrivilegeError as error:
                pytest.skip(str(error))
            except MissingError as error:
                give_up(f"no libvirt host: {error}")

        yield make


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Host, Host]]:
    """Two hosts, which the tests of a module share and leave as they were."""
    try:
        with Host(NAMES[0]) as one, Host(NAMES[1]) as other:
            yield one, other
    except MissingError as error:
        give_up(f"no libvirt host: {error}")


@pytest.fixture(scope="module")
def host(pair: tuple[Host, Host]) -> Host:
    """The first of the two."""
    return pair[0]


@pytest.fixture(scope="module")
def guest(host: Host, image: Image) -> Iterator[Guest]:
    """A machine on `host` that has booted, somebody logged in at its console, which is free; tests leave it there."""
    with running_guest(host, "guest", image) as guest:
        yield guest


# A cluster


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster whose machine lab/guest, off at first, is a QEMU process."""

    cluster: RunningCluster
    backend: KubernetesBackend
    ref: Ref
    guests: list[QemuGuest]
    """Those that were switched on, the present one last."""


@contextlib.asynccontextmanager
async def open_site(image: Image, folder: Path) -> AsyncIterator[Site]:
    """The cluster, and kvtui's backend for it; every QEMU process ends with the block."""
    guests: list[QemuGuest] = []

    def boot(vmi: Object, now: datetime) -> QemuGuest:
        guests.append(QemuGuest(image))
        return guests[-1]

    async with running_cluster(size=1, speed=SPEED, make_guest=boot) as cluster:
        vm = machine("guest", "lab", strategy="Manual")
        cluster.world.storage.create(kinds.VM, admit(cluster.world, kinds.VM, vm, None, "CREATE"))
        backend = connect(str(cluster.kubeconfig), None, "", False, AuditLog(folder / "audit.jsonl"))
        try:
            yield Site(cluster, backend, Ref(backend.name, VirtualMachine.KIND, "lab", "guest"), guests)
        finally:
            await backend.close()
            for guest in guests:
                guest.power_off()


@contextlib.asynccontextmanager
async def open_session(site: Site) -> AsyncIterator[Operator]:
    """A session with the machine's console, as the program's own are."""
    heard = bytearray()

    async def dial() -> Tap:
        return Tap(await site.backend.open_console(site.ref), heard)

    # Nobody watches the cluster here: the session asks the server until the machine runs.
    session = Session(dial, look=lambda: Sight(Stage.UNKNOWN))
    session.start()
    try:
        yield Operator(session, heard)
    finally:
        await session.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(image: Image, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all tests of a module."""
    async with open_site(image, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(site: Site) -> AsyncIterator[Operator]:
    """Waits at the console of the machine that is off still."""
    async with open_session(site) as operator:
        yield operator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def boot(site: Site, operator: Operator) -> Capture:
    """What came over the line from its first byte to the prompt of the shell, of a machine started meanwhile."""
    return await switch_on(site, operator)


async def switch_on(site: Site, operator: Operator) -> Capture:
    """Start the machine under the eyes of somebody who waits for it, and log in; what came over the line."""
    with operator.hearing() as heard:
        await operator.wait_until(lambda: operator.session.state is State.WAITING, "the machine that is off")
        await site.backend.start(site.ref)
        await operator.log_in()
    return heard()


@pytest_asyncio.fixture(loop_scope="module")
async def shell(site: Site, operator: Operator, boot: Capture) -> Operator:
    """At the prompt of the shell, even when the test before left something else there."""
    if not operator.is_prompted:
        site.guests[-1].reboot()
        await operator.wait_for("SeaBIOS")
        await operator.log_in()
    return operator
