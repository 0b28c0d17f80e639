"""What may be written after ``kvtui``."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kvtui.cli import about
from kvtui.cli.verbs import find_command, take_verb
from kvtui.config import NAMESPACE
from kvtui.hops import Route, parse_route
from kvtui.text import is_private_key

_DEFAULTS: dict[str, Any] = {
    "kubeconfig": None, "context": [], "namespace": None, "all_namespaces": False, "jump": None, "host": [],
    "as_user": None, "as_groups": [],
    "read_only": False, "config": None, "theme": None, "slow_link": False, "no_mouse": False, "record": None,
}  # fmt: skip


_NAMING: Final = ("get", "audit")
"""Commands that take names."""


def parse_arguments(argv: Sequence[str] | None = None) -> Namespace:
    """What was asked for; ends the program with a sentence and code 2 when it makes no sense."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    _refuse_private_key(words, parser)
    verb = take_verb(words, parser, _shared_options, _DEFAULTS)
    if verb is not None:
        return verb
    own, remote = _split(words)
    options, rest = parser.parse_known_args(own)
    if options.command == "ssh":
        # argparse wants all words of a kind in one place, and options stand between the VM and the command.
        options.remote = [*options.remote, *rest, *remote] if not _has_option(rest) else options.remote
    elif remote and options.command not in _NAMING:
        options, rest = parser.parse_known_args(words)
    if _has_option(rest) or (rest and options.command not in (*_NAMING, "ssh")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command in _NAMING:
        # argparse takes no names behind an option once it has taken some, or none, before it.
        options.names = [*options.names, *rest, *remote]
    return options


def _refuse_private_key(words: Sequence[str], parser: ArgumentParser) -> None:
    """Before anything that does not fit is repeated. What a guest is to run may hold one, but not begin so."""
    at = find_command(words, parser)
    remote = at is not None and words[at] == "ssh"
    if is_private_key(" ".join(word for word in words if word.startswith("-") or not remote)):
        parser.error("a private key was given, which no command takes; a public one is in the file that ends in .pub. "
                     "Everybody on this machine could read it, and the shell keeps it: make a new one")  # fmt: skip


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words before and behind the first ``--``."""
    if "--" not in words:
        return words, ()
    at = list(words).index("--")
    return words[:at], words[at + 1 :]


def _has_option(words: Sequence[str]) -> bool:
    return any(word.startswith("-") for word in words)


def make_parser() -> ArgumentParser:
    """The parser. Global options may stand before or after the command."""
    parser = ArgumentParser(
        prog="kvtui", description=about.ABOUT, epilog=about.EXAMPLES + about.EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter, parents=[_shared_options()],
    )  # fmt: skip
    parser.set_defaults(command=None, **_DEFAULTS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_get(commands.add_parser(
        "get", parents=[_shared_options()], help="print rows: vms, nodes, migrations, imports ...",
        description=about.GET_ABOUT, epilog=about.GET_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_demo(commands.add_parser(
        "demo", parents=[_shared_options()], help="try kvtui on a simulated cluster, without a real one",
        description="Open the screen on a simulated KubeVirt cluster of this machine. It speaks the Kubernetes API, "
        "so kubectl and virtctl can be used on it too. It ends with the program.",
    ))  # fmt: skip
    _add_screenshot(commands.add_parser(
        "screenshot", parents=[_shared_options()], help="save what a VM shows on its screen, or draw it here",
        description=about.SCREENSHOT_ABOUT, epilog=about.EXIT_CODES, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_replay(commands.add_parser(
        "replay", parents=[_shared_options()], help="play a recording of a console (--record)",
        description=about.REPLAY_ABOUT, epilog=about.REPLAY_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_console(commands.add_parser(
        "console", parents=[_shared_options()], help="the serial console of a VM, on a terminal or for scripts",
        description=about.CONSOLE_ABOUT, epilog=about.CONSOLE_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_ssh(commands.add_parser(
        "ssh", parents=[_shared_options()], help="a shell of a VM over SSH, or one command",
        description=about.SSH_ABOUT, epilog=about.SSH_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_port_forward(commands.add_parser(
        "port-forward", parents=[_shared_options()], help="ports of this machine that lead to ports of a VM",
        description=about.FORWARD_ABOUT, epilog=about.EXIT_CODES, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_upload(commands.add_parser(
        "upload", parents=[_shared_options()], help="an image of this machine into a disk of a cluster",
        description=about.UPLOAD_ABOUT, epilog=about.UPLOAD_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_why(commands.add_parser(
        "why", parents=[_shared_options()], help="what is wrong with an object, because of what, and what to do",
        description=about.WHY_ABOUT, epilog=about.WHY_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_stack(commands.add_parser(
        "stack", parents=[_shared_options()], help="the layers that an object stands on, and what stands on it",
        description=about.STACK_ABOUT, epilog=about.STACK_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_timeline(commands.add_parser(
        "timeline", parents=[_shared_options()], help="what happened to an object and all its layers, and when",
        description=about.TIMELINE_ABOUT, epilog=about.TIMELINE_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_problems(commands.add_parser(
        "problems", parents=[_shared_options()], help="all that is wrong now, the worst first",
        description=about.PROBLEMS_ABOUT, epilog=about.PROBLEMS_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_audit(commands.add_parser(
        "audit", parents=[_shared_options()], help="what was done, by whom, and what came of it",
        description=about.AUDIT_ABOUT, epilog=about.AUDIT_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    _add_download(commands.add_parser(
        "download", parents=[_shared_options()], help="a volume of an export into a file, checked",
        description=about.DOWNLOAD_ABOUT, epilog=about.DOWNLOAD_MORE, formatter_class=RawDescriptionHelpFormatter,
    ))  # fmt: skip
    commands.add_parser("version", parents=[_shared_options()], help="print the version")
    return parser


def _shared_options() -> ArgumentParser:
    """Made anew for each parser: defaults that one of them sets must not reach the others."""
    shared = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    where = shared.add_argument_group("where")
    where.add_argument(
        "--kubeconfig", type=_named, metavar="FILE", help="kubeconfig (default: $KUBECONFIG or ~/.kube/config)"
    )
    where.add_argument("--context", action="append", type=_named, metavar="NAME",
                       help="context of the kubeconfig; several may be given (default: the current one)")  # fmt: skip
    where.add_argument(
        "--host", action="append", type=_named, metavar="URI",
        help="host of libvirt: its URI, or its name in the configuration; several may be given",
    )  # fmt: skip
    where.add_argument("--jump", type=_route, metavar="[USER@]HOST[:PORT][,...]",
                       help="go there by these ssh servers, as ssh -J does; none for the direct way")  # fmt: skip
    scope = where.add_mutually_exclusive_group()
    scope.add_argument("-n", "--namespace", type=_namespace, metavar="NAME", help="only this namespace")
    scope.add_argument("-A", "--all-namespaces", action="store_true",
                       help="all namespaces (the default, unless the configuration names one)")  # fmt: skip
    where.add_argument("--as", dest="as_user", type=_named, metavar="USER",
                       help="act as another user of the cluster, as far as yours may")  # fmt: skip
    where.add_argument("--as-group", dest="as_groups", action="append", type=_named, metavar="GROUP",
                       help="and as one of this group; several may be given")  # fmt: skip
    how = shared.add_argument_group("how")
    how.add_argument("--read-only", action="store_true", help="forbid every action that changes something")
    how.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: config.toml, see README)"
    )
    how.add_argument("--record", type=_named, metavar="DIR",
                     help="record every console that is opened, into a file of this folder")  # fmt: skip
    how.add_argument("--theme", metavar="NAME", help="theme of the screen")
    how.add_argument("--slow-link", action="store_true", help="draw less often, for links where bytes are dear")
    how.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    return shared


def _add_get(parser: ArgumentParser) -> None:
    parser.add_argument("resource", metavar="RESOURCE", help="what to print")
    parser.add_argument(
        "names", nargs="*", default=[], metavar="NAME", help="only these: NAME, NAMESPACE/NAME or HOST/NAME"
    )
    parser.add_argument("-o", "--output", choices=("table", "wide", "json", "name"), default="table",
                        help="table, wide (all columns), json, or name (NAMESPACE/NAME)")  # fmt: skip
    parser.add_argument("-l", "--selector", metavar="SELECTOR", help="only rows with these labels: app=web,tier!=db")
    parser.add_argument("-f", "--filter", metavar="TEXT", default="", help="only rows that match, see below")
    parser.add_argument("--faults", action="store_true", help="only rows that are not well")
    parser.add_argument("-w", "--watch", action="store_true", help="go on and print every row that changes")
    _add_timeout(parser)


def _add_audit(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help="only these: NAME or NAMESPACE/NAME")
    parser.add_argument("--since", type=_since, default=0.0, metavar="TIME",
                        help="30m, 2h, 3d ago, or a time: 2026-01-31T03:00:00Z")  # fmt: skip
    parser.add_argument(
        "--verb",
        type=_named,
        metavar="TEXT",
        help="only with this text in the verb, its word or its id: force-stop, vm.kill",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="table, or json")


def _add_why(parser: ArgumentParser) -> None:
    parser.add_argument("name", type=_named, metavar="[KIND/]NAME", help="NAME, NAMESPACE/NAME or HOST/NAME")
    parser.add_argument("-o", "--output", choices=("text", "json", "markdown"), default="text",
                        help="text, json, or markdown for a ticket (default: %(default)s)")  # fmt: skip
    _add_timeout(parser)


def _add_stack(parser: ArgumentParser) -> None:
    parser.add_argument("name", type=_named, metavar="[KIND/]NAME", help="NAME, NAMESPACE/NAME or HOST/NAME")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text, or json")
    _add_timeout(parser)


TIMELINE_LAYERS: Final = ("vm", "vmi", "pod", "migration", "disk", "copy", "node", "host", "kvtui", "object")
"""Those of a timeline, by the names that it prints."""


def _add_timeline(parser: ArgumentParser) -> None:
    parser.add_argument("name", type=_named, metavar="[KIND/]NAME", help="NAME, NAMESPACE/NAME or HOST/NAME")
    parser.add_argument("--since", type=_since, default=0.0, metavar="TIME",
                        help="30m, 2h, 3d ago, or a time: 2026-01-31T03:00:00Z")  # fmt: skip
    parser.add_argument("--layer", choices=TIMELINE_LAYERS, action="append", metavar="LAYER",
                        help=f"only this layer; several may be given: {', '.join(TIMELINE_LAYERS)}")  # fmt: skip
    parser.add_argument("--times", choices=("local", "utc", "ago"), default="local",
                        help="how text tells times (default: %(default)s)")  # fmt: skip
    parser.add_argument("-o", "--output", choices=("text", "json", "markdown"), default="text",
                        help="text, json, or markdown for a ticket (default: %(default)s)")  # fmt: skip
    _add_timeout(parser)


def _add_problems(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text, or json")
    parser.add_argument("--fail-on", choices=("warn", "bad"), help="end with 1 when anything as bad as that is found")
    _add_timeout(parser)


def _add_timeout(parser: ArgumentParser) -> None:
    parser.add_argument("--timeout", type=read_seconds, default=15.0, metavar="SECONDS",
                        help="how long to wait for the cluster (default: %(default)g)")  # fmt: skip


def _add_machine(parser: ArgumentParser) -> None:
    parser.add_argument("machine", metavar="VM", help="NAME or NAMESPACE/NAME; on a host NAME, HOST/NAME or UUID")


def _add_console(parser: ArgumentParser) -> None:
    _add_machine(parser)
    parser.add_argument("--until", metavar="TEXT", help="plain bytes; end as soon as the guest has said TEXT")
    parser.add_argument("--timeout", type=read_seconds, metavar="SECONDS", help="plain bytes; end after that time")
    parser.add_argument("--line", type=_named, metavar="ALIAS", help="on a host: another serial line, as serial1")
    parser.add_argument("--take", action="store_true", help="on a host, plain bytes: also from whoever has the console")


def _add_ssh(parser: ArgumentParser) -> None:
    parser.add_argument("machine", metavar="[USER@]VM", help="NAME or NAMESPACE/NAME; on a host NAME or HOST/NAME")
    parser.add_argument("remote", nargs="*", metavar="COMMAND", help="run it instead of a shell; -- before its options")
    parser.add_argument("-l", "--user", type=_named, metavar="USER", help="log in as (default: [ssh] user, or asked)")
    parser.add_argument("-i", "--identity", action="append", type=_named, metavar="FILE",
                        help="offer this private key and no other; several may be given")  # fmt: skip
    parser.add_argument("-p", "--port", type=_port, metavar="PORT", help="port of the VM's SSH server (default: 22)")


def _add_port_forward(parser: ArgumentParser) -> None:
    _add_machine(parser)
    parser.add_argument("ports", nargs="+", type=_ports, metavar="[LOCAL:]REMOTE", help="LOCAL 0 is any free port")
    parser.add_argument("--address", default="127.0.0.1", metavar="ADDRESS",
                        help="address of this machine to listen on (default: %(default)s)")  # fmt: skip


def _add_upload(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="raw, qcow2, vmdk ..., or packed with gz or xz")
    parser.add_argument(
        "--name",
        type=_named,
        required=True,
        metavar="NAME",
        help="of the DataVolume; with --host POOL/VOLUME, of one that is made",
    )
    parser.add_argument("--size", metavar="SIZE", help="of the disk, as in 20Gi (default: what the image says)")
    parser.add_argument("--class", dest="storage_class", default="", metavar="CLASS",
                        help="storage class (default: that of the cluster)")  # fmt: skip
    parser.add_argument("--access", default="", metavar="MODE", help="access mode, as in ReadWriteMany")
    parser.add_argument("--mode", default="", choices=("Block", "Filesystem"), help="volume mode")
    parser.add_argument("--reuse", action="store_true", help="take one of that name that waits for an upload")
    parser.add_argument("--retries", type=int, default=5, metavar="N",
                        help="how often it is sent again when the connection breaks (default: 5)")  # fmt: skip
    parser.add_argument("--proxy-url", default="", metavar="URL", help="CDI's upload proxy (default: the one it tells)")
    parser.add_argument("--insecure", action="store_true", help="do not check the certificate of the proxy")
    parser.add_argument("--timeout", type=read_seconds, metavar="SECONDS",
                        help="until the disk can be used, at most (default: as long as it takes)")  # fmt: skip
    _add_transfer(parser)


def _add_download(parser: ArgumentParser) -> None:
    parser.add_argument("export", type=_named, metavar="[NAMESPACE/]EXPORT", help="name of the VirtualMachineExport")
    parser.add_argument("--volume", type=_named, metavar="NAME", help="which of its volumes, where it has several")
    parser.add_argument("--format", choices=("gzip", "raw", "tar.gz"), default="gzip",
                        help="gzip as it comes, raw unpacked here, tar.gz of a volume with files "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--to", type=_named, metavar="FILE",
                        help="where to; - is standard output "
                        "(default: named as the volume, in this folder)")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="write over a file that exists; never over a device")
    parser.add_argument("--timeout", type=read_seconds, metavar="SECONDS",
                        help="until the volume is here, at most (default: as long as it takes, but 300 until the "
                        "export is ready)")  # fmt: skip
    _add_transfer(parser)


def _add_transfer(parser: ArgumentParser) -> None:
    """What uploads and downloads have in common with the verbs."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask where it is production or protected")
    parser.add_argument("--dry-run", action="store_true", help="try all that can be tried, and send and write nothing")
    parser.add_argument("-o", "--output", type=_form, metavar="{text,json}", default="text", help="a line, or json")


def _add_screenshot(parser: ArgumentParser) -> None:
    _add_machine(parser)
    parser.add_argument("-o", "--output", type=_named, metavar="FILE",
                        help="where to save the picture, a PNG unless the name ends in .ppm; - is standard output; "
                        "without it the picture is drawn in the terminal")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    _add_timeout(parser)


def _add_demo(parser: ArgumentParser) -> None:
    parser.add_argument("--size", type=int, metavar="N", help="number of VMs, up to 10000; a node for every 20")
    parser.add_argument("--speed", type=float, metavar="X", help="virtual seconds that pass in a real one")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed makes the same world")
    parser.add_argument("--user", choices=("admin", "edit", "view"), help="whose rights to have (default: admin)")
    parser.add_argument(
        "--hosts", type=int, choices=range(21), default=3, metavar="N",
        help="plain KVM hosts beside the cluster, on libvirt's test driver, where libvirt is installed (default: 3)",
    )  # fmt: skip
    world = parser.add_mutually_exclusive_group()
    world.add_argument(
        "--quiet", action="store_true", help="a world without troubles, in which nothing happens by itself"
    )
    world.add_argument(
        "--drill", metavar="NAME",
        help="an incident to find the cause of, in a cluster that is well otherwise; what it was is told in the end",
    )  # fmt: skip
    world.add_argument("--list-drills", action="store_true", help="print the drills, one a line, and do nothing else")
    parser.add_argument("--serve", action="store_true",
                        help="no screen: print the path of a kubeconfig and serve until interrupted")  # fmt: skip


def _add_replay(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the recording, NAME.cast")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="play 0.25 to 16 times as fast")
    parser.add_argument(
        "--idle-limit", type=_limit, metavar="SECONDS",
        help="cut longer pauses to this, 0 leaves them (default: what the recording asks for, or 2)",
    )  # fmt: skip
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--text", action="store_true", help="print what the guest said as plain text")
    instead.add_argument("--info", action="store_true", help="print whose recording it is, how long, and its markers")


def _form(text: str) -> str:
    if text not in ("text", "json"):
        raise ArgumentTypeError(f"{text!r} is neither text nor json; the file of a download is named by --to")
    return text


def _named(text: str) -> str:
    if not text:
        raise ArgumentTypeError("the name is empty; leave the option out for the default")
    return text


def _route(text: str) -> Route:
    try:
        return parse_route(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _namespace(text: str) -> str:
    if not text:
        raise ArgumentTypeError("the name is empty; -A means all namespaces")
    if not NAMESPACE.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no valid namespace name: a-z, 0-9 and - within, 63 at most")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)


def _ports(text: str) -> tuple[int, int]:
    """A local and a remote port."""
    local, colon, remote = text.rpartition(":")
    if not colon:
        local = remote
    return 0 if local == "0" else _port(local), _port(remote)


def _since(text: str) -> float:
    from kvtui.cli.audit import read_since

    return read_since(text)


def read_seconds(text: str) -> float:
    """A number of seconds: ``5``, ``5s``, ``2m``. Raises ArgumentTypeError."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        value = float(text) if unit is None else float(text[:-1]) * unit
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value < 86400:
        raise ArgumentTypeError("give a number of seconds between 0 and 86400")
    return value


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0.25 <= value <= 16:
        raise ArgumentTypeError("give a number from 0.25 to 16")
    return value


def _limit(text: str) -> float:
    return 0.0 if text.strip() in ("0", "off") else read_seconds(text)
