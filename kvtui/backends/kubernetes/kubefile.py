"""One kubeconfig file: read within bounds, parsed, and its values judged before any server is asked."""

from __future__ import annotations

import base64
import os
import select
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from kvtui.errors import ConfigError
from kvtui.text import clean_line

WAY_OUT: Final = "give --kubeconfig, set KUBECONFIG, or try kvtui demo"
_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of the largest file that is read: what is larger is something else."""
_DEEPEST: Final = 100
"""Levels of nesting that are read. libyaml's composer overruns the stack at some ten thousand."""
_PATIENCE: Final = 10.0
"""Seconds that the writer of a pipe gets for each piece."""


_KINDS: Final[Mapping[type, str]] = {str: "a text", dict: "a mapping", list: "a list"}


def find_path(name: str) -> Path:
    """The path, with ``~`` expanded. Raises ConfigError when there is no such home folder."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"no kubeconfig: {name} is in a home folder that is not known", hint=WAY_OUT) from error


def is_there(path: Path) -> bool:
    """Whether there is such a file, as far as can be seen: of what is hidden, the reading says so."""
    try:
        return path.exists()
    except OSError:
        return True


def read_file(file: Path) -> dict[str, Any]:
    """What the file holds. Raises ConfigError that names file and line and quotes nothing: it may be a token."""
    try:
        raw = _read_pipe(file) if file.is_fifo() else _read_bytes(file)
    except OSError as error:
        raise ConfigError(f"cannot read the kubeconfig {file}", error.strerror or str(error)) from error
    if len(raw) > _LARGEST:
        raise ConfigError(f"the kubeconfig {file} is no kubeconfig: it is larger than {_LARGEST >> 20} MiB")
    content = _parse(file, raw)
    if content is None:
        raise ConfigError(f"the kubeconfig {file} is empty", hint=WAY_OUT)
    if not isinstance(content, dict):
        raise ConfigError(f"the kubeconfig {file} is no kubeconfig: it holds no mapping", hint=WAY_OUT)
    return content


def check_cluster(owner: str, value: Mapping[str, Any], folder: Path) -> None:
    """Refuse a cluster to which no request could be made; `owner` names it. Raises ConfigError."""
    server = str(value.get("server") or "")
    if not server:
        raise ConfigError(f"{owner} has no server")
    if not server.startswith(("http://", "https://")):
        raise ConfigError(f"the server of {owner} begins neither with https:// nor with http://", clean_line(server))
    check_url(f"the server of {owner}", server)
    _check_kinds(owner, value, {"proxy-url": str, "tls-server-name": str})
    if proxy := value.get("proxy-url"):
        check_proxy(f"the proxy-url of {owner}", proxy)
    if server.startswith("https://") and not value.get("insecure-skip-tls-verify"):
        _check_pem(owner, value, "certificate-authority", folder)


def check_user(owner: str, value: Mapping[str, Any], folder: Path) -> None:
    """Refuse a user whose login cannot be made sense of; `owner` names it. Raises ConfigError."""
    for key in ("client-certificate", "client-key"):
        _check_pem(owner, value, key, folder)
    _check_kinds(owner, value, {"tokenFile": str, "exec": dict, "auth-provider": dict, "as": str, "as-groups": list})
    if plugin := value.get("exec"):
        within = f"exec of {owner}"
        _check_kinds(within, plugin, {"command": str, "args": list, "env": list, "apiVersion": str})
        if not plugin.get("command"):
            raise ConfigError(f"the {within} has no command")
        if not all(isinstance(item, dict) and {"name", "value"} <= item.keys() for item in plugin.get("env") or ()):
            raise ConfigError(f"the env of {within} is no list of names and values")
    if provider := value.get("auth-provider"):
        _check_kinds(f"auth-provider of {owner}", provider, {"name": str, "config": dict})


def check_url(owner: str, value: str) -> None:
    """Refuse an address that nothing can be sent to; `owner` names it. Raises ConfigError."""
    try:
        parts = urlsplit(value)
        # The port is judged by being asked for.
        if not parts.hostname or parts.port == 0:
            raise ValueError("it names no host" if not parts.hostname else "port 0 is none")
    except ValueError as error:
        raise ConfigError(f"{owner} is no address", clean_line(str(error)), "correct the kubeconfig") from error


def check_proxy(owner: str, value: str) -> None:
    """Refuse a proxy that cannot be used; `owner` names where it was said. Raises ConfigError."""
    check_url(owner, value)
    scheme = urlsplit(value).scheme
    if scheme.startswith("socks"):
        raise ConfigError(f"{owner} speaks SOCKS, which kvtui does not", hint="use an HTTP proxy")
    if scheme not in ("http", "https"):
        raise ConfigError(f"{owner} begins neither with http:// nor with https://", hint="use an HTTP proxy")


def _check_kinds(owner: str, value: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for key, kind in kinds.items():
        if value.get(key) is not None and not isinstance(value[key], kind):
            # Never the value: it may be secret.
            raise ConfigError(f"the {key} of {owner} is not {_KINDS[kind]}", hint="correct the kubeconfig")


def _check_pem(owner: str, value: Mapping[str, Any], key: str, folder: Path) -> None:
    try:
        pem = _read_pem(value, key, folder)
    except OSError as error:
        raise ConfigError(
            f"the {key} of {owner} cannot be read", clean_line(f"{error.filename}: {error.strerror}")
        ) from error
    except ValueError as error:
        raise ConfigError(f"the {key}-data of {owner} is not base64", hint="renew the kubeconfig") from error
    if pem is not None and b"-----BEGIN " not in pem:
        raise ConfigError(f"the {key} of {owner} is not PEM", hint="renew the kubeconfig")


def _read_pem(value: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    """The bytes, of which ``KEY-data`` comes before the file that ``KEY`` names; None where it has neither."""
    if data := value.get(f"{key}-data"):
        return base64.b64decode("".join(str(data).split()), validate=True)
    name = value.get(key)
    return (folder / str(name)).read_bytes() if name else None


def _read_bytes(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_LARGEST + 1)


@cache
def _read_pipe(file: Path) -> bytes:
    """What a pipe says, as in ``--kubeconfig <(command)``: it says it only once, and is asked for more often."""
    raw = b""
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while len(raw) <= _LARGEST:
            ready, _, _ = select.select([handle], [], [], _PATIENCE)
            if not ready:
                raise ConfigError(f"nobody writes to the kubeconfig {file}, which is a pipe", hint=WAY_OUT)
            piece = os.read(handle, 65536)
            if not piece:
                break
            raw += piece
    finally:
        os.close(handle)
    return raw


def _parse(file: Path, raw: bytes) -> Any:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if _is_too_deep(raw, loader):
            raise ConfigError(f"the kubeconfig {file} is no kubeconfig: it is nested deeper than {_DEEPEST} levels")
        return yaml.load(raw, Loader=loader)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # Values that do not fit their tags fail as Python's own errors.
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}: " if mark is not None else ""
        words = getattr(error, "problem", None) or "it holds values or bytes that cannot be read"
        raise ConfigError(f"the kubeconfig {file} is not valid YAML", clean_line(f"{at}{words}")) from error


def _is_too_deep(raw: bytes, loader: Any) -> bool:
    """Read no further than to the level that is too deep: each costs the parser more than the one before."""
    level = 0
    for event in yaml.parse(raw, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            if level > _DEEPEST:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
    return False
