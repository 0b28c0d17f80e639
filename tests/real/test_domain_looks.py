"""What real guests tell who looks at them: their agent, their screen, their XML; and what one that hangs does to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kvtui.errors import BackendError, BusyError, UnreachableError
from kvtui.records.libvirt import Domain
from tests.libvirt.conftest import live, make_backend, until
from tests.real.conftest import import_libvirt
from tests.real.domains import running_guest
from tests.real.hosts import Host
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

libvirt = import_libvirt()


async def test_a_guest_with_an_agent_tells_of_itself(host: Host, image: Image, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "told", image, agent=True, network="user"):
        async with live(backend) as fleet:

            def connected() -> bool:
                domain = fleet.view.get(Domain, "kvm1", "", "told")
                return domain is not None and domain.agent is True

            await until(fleet, connected, 40)
            domain = fleet.view.get(Domain, "kvm1", "", "told")
            assert domain is not None
            guest = await backend.ask_agent(domain.ref("kvm1"))
            assert guest.hostname == "told"
            assert guest.kernel
            assert guest.clock is not None
            assert abs(guest.clock) < 60
            happened = [one.what for one in backend.tell_happenings(domain.ref("kvm1"))]
            assert "started" not in happened, "it had started before anybody watched"


async def test_a_guest_that_hangs_is_a_sentence_and_keeps_nobody_else_waiting(
    host: Host, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvtui.backends.libvirt.visits._PATIENCE", 2.0)
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "hung", image) as hung, running_guest(host, "well", image):
        async with live(backend) as fleet:
            await until(fleet, lambda: fleet.view.count(Domain) == 2)
            refs = {ref.name: ref for ref, _ in fleet.view.items(Domain)}
            host.freeze_guest(hung.name)
            try:
                with pytest.raises(UnreachableError, match="hangs"):
                    await backend.take_screenshot(refs["hung"])
                with pytest.raises(BusyError, match="not answered yet"):
                    await backend.take_screenshot(refs["hung"])
                begin = time.monotonic()
                assert (await backend.take_screenshot(refs["well"])).startswith(b"\x89PNG")
                (document,) = await backend.fetch_documents(refs["hung"])
                assert "<name>hung</name>" in document.text
                assert time.monotonic() - begin < 2
            finally:
                host.thaw_guest(hung.name)


async def test_a_guest_without_an_agent_is_told_so(host: Host, image: Image, tmp_path: Path) -> None:
    backend = make_backend(host.uri, tmp_path, name="kvm1")
    with running_guest(host, "mute", image):
        async with live(backend) as fleet:
            await until(fleet, lambda: fleet.view.count(Domain) == 1)
            ref = next(ref for ref, _ in fleet.view.items(Domain))
            with pytest.raises(BackendError, match="guest agent is not"):
                await backend.ask_agent(ref)
