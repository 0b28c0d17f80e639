"""The access credentials of an instance of KubeVirt: ``spec.accessCredentials``, types.go."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

import msgspec

from kvtui.records.base import Struct


class SecretName(Struct):
    """The Secret that holds it."""

    secret_name: str = ""

    def __post_init__(self) -> None:
        self.secret_name = intern(self.secret_name)


class CredentialSource(Struct):
    """Where it comes from."""

    secret: SecretName = msgspec.field(default_factory=SecretName)


class Propagation(Struct):
    """How it comes into the guest."""

    qemu_guest_agent: Struct | None = None
    """By its agent; else by what its first boot reads."""


class Means(Struct):
    """A password or a key, and its way."""

    source: CredentialSource = msgspec.field(default_factory=CredentialSource)
    propagation_method: Propagation = msgspec.field(default_factory=Propagation)


class AccessCredential(Struct):
    """One of them: either passwords by user, or keys."""

    user_password: Means | None = None
    ssh_public_key: Means | None = None

    @property
    def secret(self) -> str:
        """The Secret that it names; empty for none."""
        return self._means.source.secret.secret_name

    @property
    def by_agent(self) -> bool:
        """Whether the guest's agent brings it in while it runs."""
        return self._means.propagation_method.qemu_guest_agent is not None

    @property
    def _means(self) -> Means:
        return self.user_password or self.ssh_public_key or Means()


def secret_links(namespace: str, credentials: tuple[AccessCredential, ...]) -> Iterator[tuple[str, str]]:
    """For `Record.links` of a VM: to the Secrets of its credentials."""
    for credential in credentials:
        if credential.secret:
            yield "secret", f"{namespace}/{credential.secret}"
