"""Selectors: what they choose, and what the server answers to bad ones.

The words are those that ``labels.Parse`` and ``fields.ParseSelector`` of apimachinery 0.36.0 gave for the same text.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.demo import kinds
from kvtui.demo.selectors import parse_fields, parse_labels
from kvtui.demo.storage import Kind, Object, StorageError

LABELS = {"app": "web", "tier": "2", "kubevirt.io/domain": "web-1"}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("other!=db", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("other in (db,)", False),
        ("app notin (db,cache)", True),
        ("app notin (web)", False),
        ("other notin (web)", True),
        ("kubevirt.io/domain=web-1,app=web", True),
        (" app = web , tier ", True),
        ("app=web,other", False),
        ("tier>1", True),
        ("tier<2", False),
        ("other=", False),
        ("app=in", False),
        ("other notin ()", True),
        ("app in (,web)", True),
        ("tier>1,tier<3", True),
        ("app>1", False),
    ],
)
def test_label_selectors(text: str, chosen: bool) -> None:
    assert parse_labels(text).matches(LABELS) is chosen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("app in", "unable to parse requirement: found '' expected: '('"),
        ("app in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        ("app in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("app in (a,=", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("app web", "unable to parse requirement: found 'web', expected: in, notin, =, ==, !=, gt, lt"),
        ("app gt 1", "unable to parse requirement: found 'gt', expected: in, notin, =, ==, !=, gt, lt"),
        ("app=web,", "found '', expected: identifier after ','"),
        ("app=web)", "found ')', expected: ',' or 'end of string'"),
        ("!app in (x)", "found 'in', expected: ',' or 'end of string'"),
        ("=web", "found '=', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        (
            "-app",
            'unable to parse requirement: <nil>: Invalid value: "-app": name part must consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
            "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
        ("/x", 'unable to parse requirement: <nil>: Invalid value: "/x": prefix part must be non-empty'),
        (
            "x" * 64,
            f'unable to parse requirement: <nil>: Invalid value: "{"x" * 64}": name part must be no more than 63 bytes',
        ),
        (
            "app=a/b",
            'unable to parse requirement: values[0][app]: Invalid value: "a/b": a valid label must be an empty string '
            "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
            "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "tier>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be "
            "an integer",
        ),
        (
            f"a in ({'x' * 64},{'y' * 64})",
            f'unable to parse requirement: [values[0][a]: Invalid value: "{"x" * 64}": must be no more than 63 bytes, '
            f'values[1][a]: Invalid value: "{"y" * 64}": must be no more than 63 bytes]',
        ),
    ],
)
def test_bad_label_selectors_are_bad_requests(text: str, words: str) -> None:
    with pytest.raises(StorageError) as refusal:
        parse_labels(text)
    assert (refusal.value.code, refusal.value.message) == (400, words)


def answer(parse: Callable[[], object]) -> int:
    try:
        parse()
    except StorageError as error:
        return error.code
    return 200


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert answer(lambda: parse_labels(text)) in (200, 400)
    assert answer(lambda: parse_fields(kinds.POD, text)) in (200, 400)


_VALUES = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)


@given(st.dictionaries(_VALUES, _VALUES, max_size=4), _VALUES, st.lists(_VALUES, min_size=1, max_size=3))
def test_a_term_and_its_opposite_never_agree(labels: dict[str, str], key: str, values: list[str]) -> None:
    pairs = [
        (key, f"!{key}"),
        (f"{key}={values[0]}", f"{key}!={values[0]}"),
        (f"{key} in ({','.join(values)})", f"{key} notin ({','.join(values)})"),
    ]
    for term, opposite in pairs:
        assert parse_labels(term).matches(labels) is not parse_labels(opposite).matches(labels)


POD: Object = {"spec": {"nodeName": "node01"}, "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}}
EVENT: Object = {
    "involvedObject": {"uid": "u-1", "kind": "VirtualMachine", "name": "web-1", "namespace": "shop"},
    "reason": "Started",
    "type": "Normal",
    "source": {"component": "virt-controller"},
}


@pytest.mark.parametrize(
    ("kind", "obj", "text", "chosen"),
    [
        (kinds.VM, {}, "metadata.name=web-1", True),
        (kinds.VM, {}, "metadata.name!=web-1", False),
        (kinds.VM, {}, "metadata.namespace=shop,metadata.name=other", False),
        (kinds.POD, POD, "spec.nodeName=node01,status.phase!=Failed", True),
        (kinds.POD, POD, "spec.nodeName==node02", False),
        (kinds.POD, POD, "spec.hostNetwork=false,status.podIP=10.0.0.1", True),
        (kinds.POD, POD, "status.podIPs=10.0.0.1", False),
        (kinds.POD, POD, "status.phase!=a\\,b\\=c,status.phase==Running,=", True),
        (kinds.PV, {}, "metadata.namespace=shop", True),
        (kinds.POD, {}, "spec.nodeName=", True),
        (kinds.NODE, {}, "spec.unschedulable=true", False),
        (kinds.NODE, {"spec": {"unschedulable": True}}, "spec.unschedulable=true", True),
        (kinds.EVENT, EVENT, "involvedObject.uid=u-1,involvedObject.kind=VirtualMachine,reason=Started", True),
        (kinds.EVENT, EVENT, "involvedObject.namespace=lab", False),
        (kinds.EVENT, EVENT, "type=Normal,source=virt-controller", True),
        (kinds.SECRET, {"type": "Opaque"}, "type=Opaque", True),
    ],
)
def test_field_selectors(kind: Kind, obj: Object, text: str, chosen: bool) -> None:
    assert parse_fields(kind, text).matches("shop", "web-1", json.dumps(obj).encode()) is chosen


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        # list-field-unsupported of the recordings of kube-apiserver 1.36.
        (kinds.VM, "status.phase=Running", "field label not supported: status.phase"),
        (kinds.POD, "spec.x=1", "field label not supported: spec.x"),
        (
            kinds.CONFIG_MAP,
            "data=1",
            '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (kinds.POD, "nonsense", "invalid selector: 'nonsense'; can't understand 'nonsense'"),
        (kinds.POD, " metadata.name=x", "field label not supported:  metadata.name"),
        (kinds.POD, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        (kinds.POD, "metadata.name=\\x", "invalid field selector: invalid escape sequence: \\x"),
        (kinds.NODE, "metadata.namespace=x", "field label not supported: metadata.namespace"),
    ],
)
def test_unsupported_fields_are_bad_requests(kind: Kind, text: str, words: str) -> None:
    with pytest.raises(StorageError) as refusal:
        parse_fields(kind, text)
    assert (refusal.value.code, refusal.value.message) == (400, words)


def test_a_selector_by_name_tells_the_name() -> None:
    assert parse_fields(kinds.POD, "metadata.name=web,status.phase=Running").name == "web"
    assert parse_fields(kinds.POD, "metadata.name!=web").name == ""
