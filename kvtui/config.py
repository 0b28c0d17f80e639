"""Settings from the configuration file: strict keys, and the file and key named in every error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import platformdirs

from kvtui.chords import is_sure, is_typed, spell
from kvtui.errors import ConfigError
from kvtui.hops import Route, parse_route
from kvtui.model import Care
from kvtui.text import clean_line

NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What the API server takes for the name of a namespace: an RFC 1123 label."""

_DETACH: Final = "ctrl+right_square_bracket,ctrl+5"
_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class SshSettings(msgspec.Struct, forbid_unknown_fields=True):
    """``[ssh]``: how kvtui logs in to guests."""

    user: str = ""
    """Empty: it is asked for."""
    key: list[str] = []
    """The only private keys to offer; none for those of the agent and the usual files in ``~/.ssh``."""
    port: _Port = 22

    @property
    def keys(self) -> tuple[Path, ...]:
        """The files of the keys."""
        return tuple(Path(key).expanduser() for key in self.key)


class ContextSshSettings(msgspec.Struct, forbid_unknown_fields=True):
    """``[context."NAME".ssh]``: what differs from ``[ssh]`` there."""

    user: str | None = None
    key: list[str] | None = None
    port: _Port | None = None


class ContextSettings(msgspec.Struct, forbid_unknown_fields=True):
    """``[context."NAME"]``; NAME may hold ``*``: what differs for those contexts."""

    read_only: bool | None = None
    production: bool | None = None
    """Whether it says so everywhere, and every action is confirmed one step stricter."""
    protected: list[str] = []
    """Patterns of namespaces, or of ``NAMESPACE/NAME``, that are confirmed one step stricter."""
    namespace: Annotated[str, msgspec.Meta(pattern=f"^({NAMESPACE.pattern})?$")] = ""
    jump: str = ""
    """The way to its API server: ``USER@BASTION[:PORT][,USER@NEXT]``; empty for none."""
    ssh: ContextSshSettings = msgspec.field(default_factory=ContextSshSettings)

    def __post_init__(self) -> None:
        _ = self.route

    @property
    def route(self) -> Route:
        """The hops of `jump`. Raises ValueError when it makes no sense."""
        return parse_route(self.jump) if self.jump else ()


class HostSettings(msgspec.Struct, forbid_unknown_fields=True):
    """``[[host]]``: a host of libvirt."""

    uri: Annotated[str, msgspec.Meta(pattern="^[a-z0-9+.-]+:/")]
    """As virsh takes it: ``qemu:///system``, ``qemu+ssh://root@kvm1/system``."""
    name: str = ""
    """Empty for that of the machine in the URI."""
    read_only: bool = False
    production: bool = False
    """Whether it says so everywhere, and every action is confirmed one step stricter."""
    protected: list[str] = []
    """Patterns of names of VMs that are confirmed one step stricter."""
    jump: str = ""
    """The way to its ssh server: ``USER@BASTION[:PORT][,USER@NEXT]``; empty for none."""

    def __post_init__(self) -> None:
        _ = self.route

    @property
    def route(self) -> Route:
        """The hops of `jump`. Raises ValueError when it makes no sense."""
        return parse_route(self.jump) if self.jump else ()

    @property
    def care(self) -> Care:
        """How careful to be with it."""
        return Care(self.production, tuple(self.protected))


class ConsoleSettings(msgspec.Struct, forbid_unknown_fields=True):
    """``[console]``."""

    detach: Annotated[str, msgspec.Meta(min_length=1)] = _DETACH
    """The chords that give the keyboard back to the list; read as people write them, kept in Textual's spelling. Where
    none of them comes from every terminal, the default ones are before them: there is always a way out.
    """
    scrollback: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10_000
    """Lines of each console that are kept."""
    backspace: Literal["delete", "backspace"] = "delete"
    """``delete`` (0x7f) or ``backspace`` (0x08), which some firmware wants."""
    pictures: Literal["auto", "blocks", "dots", "kitty", "sixel"] = "auto"
    """How the screens of machines are drawn: as half blocks, as braille dots, in true pixels by Kitty's protocol or as
    sixels, or as the terminal and the picture suggest.
    """
    record: str = ""
    """The folder into which every console is recorded; empty for none but those that the user says."""
    keys: Literal["xterm", "vt-utf8", "pc-ansi"] = "xterm"
    """Whose codes the function and editing keys send: those of xterm, or of UEFI firmware."""
    paste_rate: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 8000
    """Bytes a second of a paste that a serial line takes; 115,200 baud are 11,520."""

    def __post_init__(self) -> None:
        names: list[str] = []
        for chord in self.detach.split(","):
            if not chord.strip():
                raise ValueError("`detach` names no key between its commas")
            try:
                spelt = spell(chord)
            except ValueError as error:
                raise ValueError(f"`detach`: {error}") from None
            if is_typed(spelt[0]):
                raise ValueError(f"`detach` is {chord.strip()!r}, which could not be typed into a console any more")
            names += spelt
        if not any(map(is_sure, names)):
            names = [*_DETACH.split(","), *names]
        self.detach = ",".join(dict.fromkeys(names))


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    theme: str = "kvtui-dark"
    read_only: bool = False
    slow_link: bool = False
    """Fewer frames, for links where bytes are dear."""
    mouse: bool = True
    console: ConsoleSettings = msgspec.field(default_factory=ConsoleSettings)
    ssh: SshSettings = msgspec.field(default_factory=SshSettings)
    context: dict[str, ContextSettings] = {}
    host: list[HostSettings] = []
    keys: dict[str, str] = {}
    """Action id to keys: ``"vm.start" = "f5"``."""

    def for_context(self, name: str) -> ContextSettings:
        """What holds for a context: its own section, else the first section whose pattern matches."""
        return next(self._sections(name), ContextSettings())

    def is_read_only(self, name: str) -> bool:
        """Whether a context is read-only: so says the first of its sections that says anything of it."""
        said = (section.read_only for section in self._sections(name))
        return self.read_only or next((word for word in said if word is not None), False)

    def care_for(self, name: str) -> Care:
        """How careful to be with a context. Its own section does not take away what a pattern protects."""
        sections = list(self._sections(name))
        said = (section.production for section in sections)
        production = next((word for word in said if word is not None), False)
        return Care(production, tuple(pattern for section in sections for pattern in section.protected))

    def _sections(self, name: str) -> Iterator[ContextSettings]:
        """The sections of a context: its own, then those whose patterns match, in the order of the file."""
        if name in self.context:
            yield self.context[name]
        for pattern, section in self.context.items():
            if pattern != name and fnmatchcase(name, pattern):
                yield section

    def ssh_for(self, name: str) -> SshSettings:
        """How to log in to the guests of a context."""
        own = self.for_context(name).ssh
        return SshSettings(
            self.ssh.user if own.user is None else own.user,
            self.ssh.key if own.key is None else own.key,
            self.ssh.port if own.port is None else own.port,
        )


def config_dir() -> Path:
    """Where the user's configuration and themes are."""
    return platformdirs.user_config_path("kvtui")


def state_dir() -> Path:
    """Where the audit log and other state are kept."""
    return platformdirs.user_state_path("kvtui")


def load_settings(path: Path | None = None) -> Settings:
    """The settings of `path`, by default ``config.toml`` in the configuration folder, which need not exist.

    Raises ConfigError that names file and key.
    """
    file = path or config_dir() / "config.toml"
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        if path is None:
            return Settings()
        raise ConfigError(f"no configuration file {file}", hint="leave --config out to do without") from None
    except OSError as error:
        raise ConfigError(f"cannot read {file}", error.strerror or str(error)) from error
    try:
        found = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML", clean_line(str(error))) from error
    except RecursionError as error:
        raise ConfigError(f"{file} is no configuration: it is nested too deep") from error
    try:
        return msgspec.convert(found, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{file} has a setting that kvtui cannot use",
            clean_line(_locate(str(error), found)),
            "see README, Configuration",
        ) from error


def _locate(words: str, found: dict[str, Any]) -> str:
    """The words of an error, with the name of the entry where msgspec tells only of the table that it is in."""
    for section, type_, label in (("context", ContextSettings, '[context."{}"]'), ("keys", str, '[keys] "{}"')):
        if f"$.{section}[...]" in words:
            name = next(name for name, value in found[section].items() if not _fits(value, type_))
            return words.replace(f"$.{section}[...]", label.format(name))
    return words


def _fits(value: object, type_: type) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True
