"""Texts that come back from an editor and are no objects."""

from __future__ import annotations

import pytest

from kvtui.errors import BackendError
from kvtui.resources.manifest import parse_manifest

VM = "metadata:\n  name: web-1\n"


def test_an_alias_that_is_merged_gives_no_field_twice() -> None:
    found = parse_manifest(f"{VM}spec:\n  a: &a {{x: 1}}\n  b: {{<<: *a, x: 2}}\n")
    assert found["spec"]["b"] == {"x": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{VM} a: [b\n", "the text is no YAML: expected <block end>, but found '<block mapping start>', at: a: [b"),
        (f"{VM}spec:\n\tcpu: 2\n", "found character '\\t' that cannot start any token, at: cpu: 2"),
        (f"{VM}spec: {{a: 1\n", "the text is no YAML: while parsing a flow mapping in"),
        (f"{VM}spec:\n  cores: 2\n  cores: 3\n", "the text is no YAML: cores is given twice, at: cores: 3"),
        ("", "the text is no object of Kubernetes: it has no metadata"),
        ("just words", "the text is no object of Kubernetes: it has no metadata"),
    ],
)
def test_what_is_no_object_says_where_in_the_words_of_the_line(text: str, told: str) -> None:
    with pytest.raises(BackendError) as caught:
        parse_manifest(text)
    assert told in str(caught.value)
