"""Kubeconfig files: found, read, merged as kubectl merges them, and written back when a token was renewed.

Light on purpose: the command line lists contexts before anything heavy is imported.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from kvtui.backends.kubernetes.kubefile import WAY_OUT, check_cluster, check_user, find_path, is_there, read_file
from kvtui.errors import ConfigError

IN_CLUSTER: Final = "in-cluster"
"""The name of the context that a pod of the cluster has without any kubeconfig."""
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECTIONS: Final = ("contexts", "clusters", "users")


@dataclass(frozen=True, slots=True)
class ContextInfo:
    """One context of the kubeconfig."""

    name: str
    namespace: str = ""
    cluster: str = ""
    user: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A named entry of a section, and the file that it comes from: relative paths in it start there."""

    name: str
    value: dict[str, Any]
    file: Path


_Stamp = tuple[int, int, int] | None


@dataclass
class Kubeconfig:
    """One or more files, merged: the first to say something wins."""

    files: dict[Path, dict[str, Any]] = field(default_factory=dict)
    current: str = ""
    contexts: dict[str, Entry] = field(default_factory=dict)
    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._saved = copy.deepcopy(self.files)
        self._stamps: dict[Path, _Stamp] = {}

    @property
    def where(self) -> str:
        """The files, for errors."""
        return os.pathsep.join(str(file) for file in self.files)

    def context(self, name: str | None) -> ContextInfo:
        """The context of that name, or the current one. Raises ConfigError when there is none."""
        wanted = name or self.current
        if not wanted:
            raise ConfigError(
                f"{self.where} names no current context",
                hint=f"choose one with --context: {_listed(self.contexts)}",
            )
        found = self.contexts.get(wanted)
        if found is None:
            raise ConfigError(f"no context {wanted!r} in {self.where}", hint=f"there are: {_listed(self.contexts)}")
        info = self._info(found)
        if info.cluster not in self.clusters:
            raise ConfigError(f"context {wanted!r} names a cluster {info.cluster!r} that {self.where} does not have")
        if info.user and info.user not in self.users:
            raise ConfigError(f"context {wanted!r} names a user {info.user!r} that {self.where} does not have")
        cluster, user = self.clusters[info.cluster], self.users.get(info.user)
        check_cluster(f"cluster {cluster.name!r} of {cluster.file}", cluster.value, cluster.file.parent)
        if user is not None:
            check_user(f"user {user.name!r} of {user.file}", user.value, user.file.parent)
        return info

    def user_of(self, context: str) -> Mapping[str, Any]:
        """The entry of the user of a context; empty where it has none."""
        user = self._parts(context)[1]
        return user.value if user is not None else {}

    def infos(self) -> list[ContextInfo]:
        """All contexts, the current one first, then in the order of the files."""
        return sorted((self._info(entry) for entry in self.contexts.values()), key=lambda info: not info.current)

    def renewed(self, context: str) -> Kubeconfig | None:
        """The same files as they are now, when they name another server or account for `context`; None when not.

        Raises ConfigError when they cannot be read or have no such context any more.
        """
        if self._stamps == {file: _stamp(file) for file in self.files}:
            return None
        found = _merge(self.files)
        found.context(context)
        if found._parts(context) == self._parts(context):
            self._stamps = found._stamps
            return None
        return found

    def save(self) -> None:
        """Write the files back whose entries were changed. Raises OSError."""
        for file, content in self.files.items():
            if content != self._saved[file]:
                _write(file, content)
                self._saved[file] = copy.deepcopy(content)
                self._stamps[file] = _stamp(file)

    def _parts(self, context: str) -> tuple[Entry | None, Entry | None]:
        info = self._info(self.contexts[context])
        return self.clusters.get(info.cluster), self.users.get(info.user)

    def _info(self, entry: Entry) -> ContextInfo:
        value = entry.value
        return ContextInfo(
            name=entry.name,
            namespace=str(value.get("namespace") or ""),
            cluster=str(value.get("cluster") or ""),
            user=str(value.get("user") or ""),
            current=entry.name == self.current,
        )


def load_contexts(kubeconfig: str | None = None) -> list[ContextInfo]:
    """The contexts of `kubeconfig` (by default those of ``KUBECONFIG`` or ``~/.kube/config``), the current one first.

    In a pod without any kubeconfig it is the one context `IN_CLUSTER`. Raises ConfigError that names file and way out.
    """
    if _only_in_cluster(kubeconfig):
        return [_in_cluster_context()]
    return read_kubeconfig(kubeconfig).infos()


def load_current_context(kubeconfig: str | None = None) -> ContextInfo:
    """The context that kubectl would take: the current one of `kubeconfig`, or `IN_CLUSTER` as in `load_contexts`.

    Raises ConfigError when the kubeconfig names none or one that is not there: any other would be a wrong cluster.
    """
    if _only_in_cluster(kubeconfig):
        return _in_cluster_context()
    return read_kubeconfig(kubeconfig).context(None)


def read_kubeconfig(kubeconfig: str | None = None) -> Kubeconfig:
    """The merged kubeconfig. Raises ConfigError that names file and way out."""
    files = _existing(kubeconfig)
    if not files:
        asked = os.pathsep.join(str(file) for file in _paths(kubeconfig))
        raise ConfigError(f"no kubeconfig: {asked} does not exist", hint=WAY_OUT)
    return _merge(files)


def _merge(files: Iterable[Path]) -> Kubeconfig:
    # The stamps first: a file that is changed while it is read is read again.
    stamps = {file: _stamp(file) for file in files}
    merged = Kubeconfig({file: read_file(file) for file in stamps})
    merged._stamps = stamps
    for file, content in merged.files.items():
        merged.current = merged.current or str(content.get("current-context") or "")
        for section in _SECTIONS:
            into: dict[str, Entry] = getattr(merged, section)
            for name, value in _entries(file, content, section):
                into.setdefault(name, Entry(name, value, file))
    if not merged.contexts:
        raise ConfigError(f"{merged.where} has no contexts", hint=WAY_OUT)
    return merged


def in_cluster() -> bool:
    """Whether this process runs in a pod that has a service account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (_SERVICE_ACCOUNT / "token").is_file()


def in_cluster_namespace() -> str:
    """The namespace of the pod that this process runs in."""
    try:
        return (_SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return ""


def _only_in_cluster(kubeconfig: str | None) -> bool:
    return kubeconfig is None and in_cluster() and not _existing(kubeconfig)


def _in_cluster_context() -> ContextInfo:
    return ContextInfo(IN_CLUSTER, namespace=in_cluster_namespace(), current=True)


def _paths(kubeconfig: str | None) -> list[Path]:
    if kubeconfig is not None:
        return [find_path(kubeconfig)]
    listed = os.environ.get("KUBECONFIG", "")
    names = [name for name in listed.split(os.pathsep) if name]
    return [find_path(name) for name in names or ["~/.kube/config"]]


def _existing(kubeconfig: str | None) -> list[Path]:
    return [path for path in dict.fromkeys(_paths(kubeconfig)) if is_there(path)]


def _stamp(file: Path) -> _Stamp:
    """What changes when a file is written or replaced; None when it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _entries(file: Path, content: dict[str, Any], section: str) -> Iterable[tuple[str, dict[str, Any]]]:
    items = content.get(section) or []
    if not isinstance(items, list):
        raise ConfigError(f"the kubeconfig {file} is broken: {section} is not a list")
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not item.get("name"):
            raise ConfigError(f"the kubeconfig {file} is broken: entry {number} of {section} has no name")
        value = item.get(section[:-1])
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise ConfigError(f"the kubeconfig {file} is broken: {item['name']!r} of {section} is not a mapping")
        yield str(item["name"]), value


def _write(file: Path, content: dict[str, Any]) -> None:
    target = file.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w") as out:
            yaml.safe_dump(content, out, default_flow_style=False, sort_keys=False)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
