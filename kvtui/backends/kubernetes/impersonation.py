"""As whom an account acts (kubernetes.io, User impersonation): by the kubeconfig, or by ``--as`` in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

_REFUSAL: Final = re.compile(r'(\w+?)s? "([^"]*)" is forbidden: User "([^"]*)" cannot impersonate resource')
"""The API server's words: ``users "jane" is forbidden: User "ops" cannot impersonate resource "users" in ...``."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Another user than the one that logs in; nobody when it is empty."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return any((self.user, self.groups, self.uid, self.extra))

    def __str__(self) -> str:
        groups = f" ({', '.join(self.groups)})" if self.groups else ""
        return f"{self.user}{groups}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What is sent with every request."""
        found = [("Impersonate-User", self.user), ("Impersonate-Uid", self.uid)]
        found += [("Impersonate-Group", group) for group in self.groups]
        found += [(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for key, value in self.extra]
        return [(name, value) for name, value in found if value]


NOBODY: Final = Impersonation()
"""The account acts as itself."""


def read_impersonation(user: Mapping[str, Any]) -> Impersonation:
    """That of a user of the kubeconfig: to ignore any of it would give more than meant."""
    extra = user.get("as-user-extra") or {}
    return Impersonation(
        str(user.get("as") or ""),
        tuple(str(group) for group in user.get("as-groups") or ()),
        str(user.get("as-uid") or ""),
        tuple((str(key), str(value)) for key, values in extra.items() for value in values or ()),
    )


def explain_refusal(words: str) -> str:
    """Who may not act as whom, where that is what a 403 says; else empty."""
    found = _REFUSAL.search(words)
    return f"{found[3]} may not act as {found[1]} {found[2]}" if found is not None else ""
