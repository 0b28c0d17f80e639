"""``python -m tests.fields FOLDER``: the fields of the demo's custom kinds, from a folder of their definitions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kvtui.demo.kinds import KINDS
from kvtui.demo.known_fields import ANY, MANY, MAP, OPEN, PATH, Struct, name_version
from kvtui.demo.served import definition_name


class _Structs:
    """All structs, each once."""

    def __init__(self) -> None:
        self.found: list[Struct] = []

    def add(self, schema: dict[str, Any]) -> str:
        """How a field of this schema is written."""
        if schema.get("type") == "array":
            inner = self.add(schema["items"])
            return inner and MANY + inner
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            inner = self.add(more)
            return inner and MAP + inner
        keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        if schema.get("type") != "object" or more or (keeps and "properties" not in schema):
            return ANY if keeps or more or schema.get("type") == "object" else ""
        struct = {name: self.add(schema["properties"][name]) for name in sorted(schema.get("properties", ()))}
        if keeps:
            struct[OPEN] = ""
        if struct not in self.found:
            self.found.append(struct)
        return str(self.found.index(struct))


def main(folder: Path) -> None:
    """Write the file."""
    structs, roots = _Structs(), {}
    for kind in KINDS:
        path = folder / f"{definition_name(kind)}.yaml"
        if not kind.custom or not path.exists():
            continue
        for version in yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]["versions"]:
            if version["name"] == kind.version:
                roots[name_version(kind)] = int(structs.add(version["schema"]["openAPIV3Schema"]))
    lines = [msgspec.json.encode(struct).decode() for struct in structs.found]
    head = msgspec.json.encode(dict(sorted(roots.items()))).decode()
    PATH.write_text(f'{{"kinds": {head},\n"structs": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
