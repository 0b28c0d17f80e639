"""What asciinema's own readers take, as checks of ours: none of the three may stumble over a file that we write.

The sources of the rules:
- the specification, docs.asciinema.org/manual/asciicast/v2/ (here SPEC),
- asciinema 2.4, `asciinema/asciicast/v2.py` and `player.py` (PYTHON),
- asciinema 3, `src/asciicast/v2.rs` and `util.rs` (RUST),
- the web player, `src/parser/asciicast.js` and `src/driver/recording.js` (WEB).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

KNOWN = {"o", "i", "m", "r"}
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f]")
"""SPEC: "with any non-printable Unicode codepoints encoded as \\uXXXX"."""

Cast = tuple[dict[str, Any], list[tuple[float, str, str]]]


def read_as_asciinema(path: Path) -> Cast:
    """The header and the events, if every reader takes the file; AssertionError names the rule otherwise."""
    raw = path.read_bytes()
    assert raw.endswith(b"\n"), "PYTHON: json.loads fails on half a line"
    lines = raw.decode("utf-8").removesuffix("\n").split("\n")
    assert all(lines), "PYTHON: an empty line ends the recording"
    header = json.loads(lines[0])
    _check_header(header)
    events: list[tuple[float, str, str]] = []
    before = 0.0
    for line in lines[1:]:
        assert line.startswith("["), "WEB: other lines are left out"
        assert not UNPRINTABLE.search(line), f"SPEC: unprintable characters are escaped: {line!r}"
        event = json.loads(line)
        assert isinstance(event, list), line
        assert len(event) == 3, "SPEC, PYTHON: three elements"
        moment, code, data = event
        assert type(moment) is float, "SPEC: a float"
        assert re.match(r"\[[0-9]+\.[0-9]{1,6},", line), "RUST: whole seconds, a dot, microseconds"
        assert moment >= before, "all: times do not fall"
        before = moment
        assert isinstance(code, str)
        assert len(code) == 1, "RUST: `Other` keeps the first character only"
        assert isinstance(data, str), "RUST: `data: String`"
        if code == "r":
            columns, rows = data.split("x")
            assert 0 < int(columns) < 65536, "RUST: u16"
            assert 0 < int(rows) < 65536, "RUST: u16"
        events.append((moment, code, data))
    return header, events


def _check_header(header: Any) -> None:
    assert isinstance(header, dict)
    assert header["version"] == 2, "all: the version decides of the reader"
    for key in ("width", "height"):
        assert type(header[key]) is int, "SPEC: an integer"
        assert 0 < header[key] < 65536, "RUST: u16"
    assert type(header.get("timestamp", 0)) is int, "SPEC; RUST: u64"
    assert isinstance(header.get("title", ""), str)
    environment = header.get("env", {})
    assert all(isinstance(value, str) for value in environment.values()), "RUST: HashMap<String, String>"
    assert set(environment) <= {"SHELL", "TERM"}, "SPEC: no more than these unless the user asks for it"


def played(cast: Cast) -> str:
    """What a player writes to the terminal: PYTHON, RUST and WEB leave out every code but `o`."""
    return "".join(data for _, code, data in cast[1] if code == "o")
