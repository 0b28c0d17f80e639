"""What a condition says by its type and status alone agrees with what it says as a whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvtui.joins.conditions import complains, is_silent, is_trouble
from kvtui.records.base import Condition
from kvtui.records.kubernetes import Claim, Node, Pod
from kvtui.records.kubevirt import VirtualMachine

TYPES = ["Ready", "Paused", "Progressing", "MemoryPressure", "Degraded", "KernelDeadlock", "Synced", "Whatever", ""]

kinds = st.sampled_from([Claim.KIND, Node.KIND, Pod.KIND, VirtualMachine.KIND])
conditions = st.builds(
    Condition,
    type=st.sampled_from(TYPES),
    status=st.sampled_from(["True", "False", "Unknown", "", "odd"]),
    reason=st.sampled_from(["", "KubeletHasNoSpace", "NotFound", "AsExpected"]),
    message=st.sampled_from(["", "the disk failed", "no errors"]),
)


@given(kind=kinds, condition=conditions)
def test_a_condition_that_is_silent_is_no_trouble_and_complains_of_nothing(kind: str, condition: Condition) -> None:
    if is_silent(kind, condition.type, condition.status):
        assert not is_trouble(kind, condition)
        assert not complains(kind, condition)


def test_a_condition_whose_good_state_is_not_known_is_not_silent() -> None:
    assert not is_silent(VirtualMachine.KIND, "Whatever", "True")
    assert is_silent(Node.KIND, "MemoryPressure", "False")
    assert not is_silent(Node.KIND, "MemoryPressure", "True")
