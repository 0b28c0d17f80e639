from __future__ import annotations

import json
import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from kvtui.text import (
    age,
    cells,
    clean,
    clean_line,
    fit,
    join_clauses,
    name_few,
    parse_time,
    percent,
    quantity,
    rate,
    scrub_json,
    shorten_middle,
    size,
    width_of,
)

# Every character that a terminal obeys or that hides text, written down anew so that a slip in the pattern shows.
UNSAFE = {
    chr(code)
    for first, last in (
        *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200B, 0x200F), (0x2028, 0x202E)),
        *((0x2060, 0x2069), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xD800, 0xDFFF)),
    )
    for code in range(first, last + 1)
}
IN_JSON = sorted(character for character in UNSAFE if not 0xD800 <= ord(character) <= 0xDFFF)

texts = st.text(st.one_of(st.characters(), st.sampled_from(sorted(UNSAFE)), st.sampled_from('\\"/u001bfr\t\n ')))
encodable = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from(IN_JSON), st.sampled_from('\\"/u001bfr\t\n '))
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), encodable),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(encodable, inner, max_size=4)),
    max_leaves=12,
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings(item))]
    return []


def test_exactly_the_unsafe_characters_are_replaced() -> None:
    replaced = {chr(code) for code in range(sys.maxunicode + 1) if clean(chr(code)) != chr(code)}
    assert replaced == UNSAFE


@given(texts)
def test_cleaning_keeps_length_and_is_done_once(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert clean(cleaned) == cleaned
    assert not UNSAFE & set(cleaned)


@given(texts)
def test_one_line_has_no_line_breaks_nor_tabs(text: str) -> None:
    line = clean_line(text)
    assert len(line.splitlines()) <= 1
    assert not set("\t\n\x1b") & set(line)


def test_one_line_folds_white_space() -> None:
    assert clean_line("cannot  pull\n\timage: \x1b[31mno\n") == "cannot pull image: \ufffd[31mno"


@given(values, st.booleans())
def test_scrubbed_json_decodes_to_the_cleaned_strings(value: object, escape: bool) -> None:
    raw = json.dumps(value, ensure_ascii=escape).encode()
    scrubbed = scrub_json(raw)
    assert strings(msgspec.json.decode(scrubbed)) == strings(_cleaned(value))


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        # Keys that differ in unsafe characters alone become one, as they do in JSON with a key twice.
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("character", IN_JSON)
def test_every_spelling_of_an_unsafe_character_is_scrubbed(character: str) -> None:
    lower, upper = f"\\u{ord(character):04x}", f"\\u{ord(character):04X}"
    spellings = [lower, upper, json.dumps(character)[1:-1]]
    if character >= " ":
        spellings.append(character)
    for spelling in spellings:
        assert msgspec.json.decode(scrub_json(f'["a{spelling}b"]'.encode())) == ["a\ufffdb"], spelling


@given(values, st.booleans())
def test_harmless_json_is_left_as_it_is(value: object, escape: bool) -> None:
    raw = json.dumps(_cleaned(value), ensure_ascii=escape).encode()
    assert scrub_json(raw) == raw


@pytest.mark.parametrize("backslashes", range(2, 9))
def test_an_escaped_backslash_does_not_begin_an_escape(backslashes: int) -> None:
    raw = b'"' + b"\\" * backslashes + b'u001b"'
    decoded = msgspec.json.decode(scrub_json(raw))
    assert decoded == "\\" * (backslashes // 2) + ("\ufffd" if backslashes % 2 else "u001b")


@given(st.lists(encodable, min_size=2, max_size=6), st.data())
def test_json_may_be_scrubbed_in_runs_of_whole_values(items: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(items) - 1))
    pieces = [json.dumps(part, ensure_ascii=False)[1:-1].encode() for part in (items[:cut], items[cut:])]
    whole = json.dumps(items, ensure_ascii=False).encode()
    assert b"[%b]" % b", ".join(scrub_json(piece) for piece in pieces) == scrub_json(whole)


@given(st.text(), st.integers(0, 40), st.booleans())
def test_fitted_text_has_exactly_the_width(text: str, width: int, right: bool) -> None:
    fitted = fit(text, width, right=right)
    assert sum(max(0, width_of(character)) for character in fitted) == cells(fitted) == width


@given(st.text("ab-漢é\u0301"), st.integers(-1, 40))
def test_a_text_that_is_cut_in_its_middle_keeps_its_ends_and_has_room(text: str, width: int) -> None:
    cut = shorten_middle(text, width)
    assert cells(cut) <= max(0, width)
    head, mark, tail = cut.partition("…")
    assert text == cut if cells(text) <= width else text.startswith(head) and text.endswith(tail)
    assert not mark or width - cells(cut) <= 2, "wide characters leave a column at either side"


@pytest.mark.parametrize(
    ("width", "cut"), [(9, "orders-17"), (8, "orde…-17"), (5, "or…17"), (2, "o…"), (1, "…"), (0, "")]
)
def test_cut_in_the_middle(width: int, cut: str) -> None:
    assert shorten_middle("orders-17", width) == cut


@given(st.characters())
def test_a_character_is_as_wide_as_wcwidth_says_but_for_the_halves_of_flags(character: str) -> None:
    flag = unicodedata.name(character, "").startswith("REGIONAL INDICATOR")
    assert width_of(character) == (1 if flag else wcwidth(character))


def test_a_flag_takes_two_columns_and_its_half_one() -> None:
    assert [cells("🇩🇪"), cells("🇩")] == [2, 1]
    assert fit("🇩🇪🇫🇷🇮🇹", 5) == "🇩🇪🇫🇷…"


@given(st.text(st.sampled_from("ab好\u0301한😀e ")), st.integers(1, 12))
def test_cut_text_is_a_beginning_and_an_ellipsis(text: str, width: int) -> None:
    text = " ".join(text.split())
    fitted = fit(text, width).rstrip(" ")
    if cells(text) <= width:
        assert fitted == text
    else:
        assert fitted.endswith("…")
        assert text.startswith(fitted.removesuffix("…"))


@pytest.mark.parametrize(
    ("text", "width", "right", "fitted"),
    [
        ("web-1", 8, False, "web-1   "),
        ("42", 5, True, "   42"),
        ("database", 5, False, "data…"),
        ("好好好", 4, False, "好… "),
        ("好好好", 4, True, " 好…"),
        ("好", 1, False, "…"),
        ("e\u0301e\u0301e\u0301", 2, False, "e\u0301…"),
        ("web", 0, False, ""),
        ("", -1, False, ""),
        ("a\nb", 3, False, "a b"),
    ],
)
def test_fit(text: str, width: int, right: bool, fitted: str) -> None:
    assert fit(text, width, right=right) == fitted


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-21T02:14:07Z", datetime(2026, 11, 21, 2, 14, 7, tzinfo=UTC).timestamp()),
        ("2026-11-21T02:14:07.250000Z", datetime(2026, 11, 21, 2, 14, 7, 250000, tzinfo=UTC).timestamp()),
        ("2026-11-21T02:14:07.123456789Z", datetime(2026, 11, 21, 2, 14, 7, 123456, tzinfo=UTC).timestamp()),
        ("2026-11-21T03:14:07+01:00", datetime(2026, 11, 21, 2, 14, 7, tzinfo=UTC).timestamp()),
        ("2026-11-21T02:14:07", datetime(2026, 11, 21, 2, 14, 7, tzinfo=UTC).timestamp()),
        ("0001-01-01T00:00:00Z", -62135596800),
        ("0001-01-01T00:00:00+23:59", -62135683140),
        ("yesterday", None),
        ("2026-13-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_parse_time(written: str | None, seconds: float | None) -> None:
    assert parse_time(written) == seconds


@given(st.datetimes(timezones=st.builds(timezone, st.integers(-14, 14).map(lambda hours: timedelta(hours=hours)))))
def test_written_times_are_read_again(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == moment.timestamp()


@given(st.text())
def test_no_text_is_too_strange_for_a_time(text: str) -> None:
    parse_time(text)


M, H, D, Y = 60, 3600, 86400, 365 * 86400


# The edges of HumanDuration in k8s.io/apimachinery/pkg/util/duration/duration.go.
@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        *((None, "-"), (-1, "0s"), (-3600, "0s"), (0, "0s"), (0.9, "0s"), (119, "119s"), (119.99, "119s")),
        *((2 * M, "2m"), (2 * M + 1, "2m1s"), (7 * M + 30, "7m30s"), (10 * M - 1, "9m59s")),
        *((10 * M, "10m"), (10 * M + 59, "10m"), (3 * H - 1, "179m")),
        *((3 * H, "3h"), (3 * H + 5 * M, "3h5m"), (8 * H - 1, "7h59m")),
        *((8 * H, "8h"), (8 * H + 59 * M, "8h"), (48 * H - 1, "47h")),
        *((2 * D, "2d"), (2 * D + 4 * H, "2d4h"), (8 * D - 1, "7d23h")),
        *((8 * D, "8d"), (8 * D + 23 * H, "8d"), (96 * D, "96d"), (2 * Y - 1, "729d")),
        *((2 * Y, "2y"), (2 * Y + D, "2y1d"), (8 * Y - 1, "7y364d"), (8 * Y, "8y")),
        *((8 * Y + 100 * D, "8y"), (50 * Y, "50y")),
    ],
)  # fmt: skip
def test_age_as_kubectl_writes_it(seconds: float | None, written: str) -> None:
    assert age(seconds) == written


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *(("0", 0), ("4", 4), ("+4", 4), ("-4", -4), ("1.5", 1.5), ("1.", 1), (".5", 0.5), (3, 3), (2.5, 2.5)),
        *(("250m", 0.25), ("100u", 1e-4), ("5n", 5e-9), ("2k", 2e3), ("2M", 2e6), ("2G", 2e9), ("2T", 2e12)),
        *(("2P", 2e15), ("2E", 2e18), ("1Ki", 1024), ("1Mi", 1024**2), ("2Gi", 2 * 1024**3), ("1Ti", 1024**4)),
        *(("1Pi", 1024**5), ("1Ei", 1024**6), ("1e3", 1000), ("1E3", 1000), ("12e-1", 1.2), ("0.5Gi", 2**29)),
        *((None, None), ("", None), ("4 Gi", None), (" 4", None), ("4\n", None), ("4K", None), ("4gi", None)),
        *(("four", None), ("1e3Ki", None), ("--4", None), ("1..5", None), (".", None), ("nan", None), ("inf", None)),
        *(("٣", None), ("1e999", None), (10**400, None), (float("inf"), None), (float("nan"), None)),
    ],
)
def test_quantity(written: str | float | None, number: float | None) -> None:
    assert quantity(written) == (None if number is None else pytest.approx(number))


@given(st.one_of(st.text(), st.text("0123456789.eEKMGi+-mnu"), st.integers(), st.floats()))
def test_no_quantity_is_too_strange(written: str | float) -> None:
    amount = quantity(written)
    assert amount is None or abs(amount) <= sys.float_info.max


def test_a_long_run_of_digits_is_read_in_no_time() -> None:
    assert quantity("9" * 200_000 + "x") is None


@pytest.mark.parametrize(
    ("number", "written"),
    [
        *((None, "-"), (0, "0"), (0.4, "0"), (1, "1"), (999, "999"), (1023, "1023"), (1024, "1Ki"), (1536, "1.5Ki")),
        *((512 * 2**20, "512Mi"), (4 * 2**30, "4Gi"), (1.5 * 2**40, "1.5Ti"), (9.96 * 2**30, "10Gi")),
        *((1023.4 * 2**20, "1023Mi"), (1023.7 * 2**20, "1Gi"), (5000 * 2**50, "5000Pi"), (-2048, "-2Ki")),
    ],
)
def test_size(number: float | None, written: str) -> None:
    assert size(number) == written


@given(st.integers(0, 2**59))
def test_sizes_are_true_to_the_third_digit(number: int) -> None:
    read = quantity(size(number))
    assert read == pytest.approx(number, rel=0.051)


def test_rates_and_shares() -> None:
    assert rate(12 * 2**20) == "12Mi/s"
    assert rate(None) == "-"
    assert percent(37, 100) == "37%"
    assert percent(1, 3) == "33%"
    assert percent(5, 4) == "125%"
    assert percent(None, 4) == percent(1, None) == percent(1, 0) == "-"


def test_clauses_are_joined_without_the_full_stops_of_servers() -> None:
    assert join_clauses("it stopped.", "", "it carries 2 VMs") == "it stopped; it carries 2 VMs"
    assert join_clauses("it stopped.") == "it stopped."
    assert join_clauses() == ""


def test_of_many_names_the_rest_is_counted() -> None:
    assert name_few(["a", "b", "c"], 2) == "a, b and 1 more"
    assert name_few(["a", "b"], 2) == "a, b"
