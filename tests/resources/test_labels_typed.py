"""Labels as they are typed: what the API refuses is refused before."""

from __future__ import annotations

import pytest

from kvtui.resources.labelling import parse_labels


@pytest.mark.parametrize("typed", ["a..b/c=d", "-a/c=d", "a-/c=d", "a/=d", "a=-b"])
def test_names_that_the_api_refuses_are_no_labels(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is no (name|value) of a label"):
        parse_labels(typed)


def test_a_prefix_is_a_name_of_dns() -> None:
    assert parse_labels("a.b-c/D_e.f=G, old-") == {"a.b-c/D_e.f": "G", "old": None}
