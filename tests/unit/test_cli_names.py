"""Whether the machine that a command names is there, as the server's answers have it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kvtui.cli.machine import explained, identify
from kvtui.errors import (
    AbsentError,
    BackendError,
    BusyError,
    ForbiddenError,
    UnauthorizedError,
    UnreachableError,
    UnservedError,
)
from kvtui.fleet import Fleet
from kvtui.model import Ref
from tests.ui.backend import NAME, RecordedBackend

VM, VMI = "VirtualMachine", "VirtualMachineInstance"
REF = Ref(NAME, VM, "web", "front")


class Answering(RecordedBackend):
    """Answers as the test says: an error for a kind, or that it is there."""

    def __init__(self, **answers: BackendError) -> None:
        super().__init__()
        self.answers = answers
        self.namespaces: Sequence[str] | BackendError = ()

    async def fetch(self, ref: Ref) -> dict[str, object]:
        self.calls.append(ref.kind)
        if error := self.answers.get(ref.kind):
            raise error
        return {"metadata": {"uid": f"uid of the {ref.kind}"}}

    async def find_namespaces(self, ref: Ref) -> Sequence[str]:
        if isinstance(self.namespaces, BackendError):
            raise self.namespaces
        return self.namespaces


def absent() -> BackendError:
    return AbsentError("not there", '"front" not found', code=404)


async def test_a_vm_that_is_there_costs_one_question() -> None:
    backend = Answering()
    assert await identify(Fleet([backend]), REF) == REF._replace(uid=f"uid of the {VM}")
    assert backend.calls == [VM]


async def test_an_instance_without_a_vm_is_good_enough() -> None:
    backend = Answering(VirtualMachine=absent())
    assert await identify(Fleet([backend]), REF) == REF._replace(kind=VMI, uid=f"uid of the {VMI}")
    assert backend.calls == [VM, VMI]


@pytest.mark.parametrize("error", [ForbiddenError("not allowed"), BusyError("busy"), BackendError("failed")])
async def test_who_gets_no_answer_that_counts_goes_on(error: BackendError) -> None:
    for answers in ({VM: error}, {VM: absent(), VMI: error}):
        assert await identify(Fleet([Answering(**answers)]), REF) == REF


@pytest.mark.parametrize("kind", [UnreachableError, UnauthorizedError, UnservedError])
async def test_what_stands_in_the_way_of_everything_is_told(kind: type[BackendError]) -> None:
    with pytest.raises(kind, match="its words"):
        await identify(Fleet([Answering(VirtualMachine=kind("its words"))]), REF)


@pytest.mark.parametrize(
    ("namespaces", "hint"),
    [
        ((), ""),
        (("shop",), "there is shop/front"),
        (("shop", "tools"), ""),
        (ForbiddenError("not allowed"), ""),
        (UnreachableError("no answer"), ""),
    ],
)
async def test_a_name_in_no_namespace_but_one_is_hinted_at(namespaces: Sequence[str] | BackendError, hint: str) -> None:
    backend = Answering(VirtualMachine=absent(), VirtualMachineInstance=absent())
    backend.namespaces = namespaces
    with pytest.raises(AbsentError) as caught:
        await identify(Fleet([backend]), REF)
    assert caught.value.title == f"no VM named front in the namespace web of {NAME}"
    assert caught.value.hint == hint


async def test_a_vm_that_is_off_is_told_from_one_that_is_not_there() -> None:
    with pytest.raises(AbsentError) as caught:
        async with explained(Fleet([Answering()]), REF):
            raise absent()
    assert caught.value.title == "web/front does not run"
    with pytest.raises(AbsentError, match="no VM named front"):
        async with explained(Fleet([Answering(VirtualMachine=absent(), VirtualMachineInstance=absent())]), REF):
            raise absent()


async def test_other_trouble_keeps_its_words() -> None:
    backend = Answering()
    for error in (UnservedError("not installed"), ForbiddenError("not allowed")):
        with pytest.raises(BackendError) as caught:
            async with explained(Fleet([backend]), REF):
                raise error
        assert caught.value is error
    assert backend.calls == []
