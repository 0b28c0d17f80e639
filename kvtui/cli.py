"""The command line: arguments to settings, to backends, to the screen or to text. Heavy imports stay inside functions.

Exit status: 0 done; 1 it failed, and the sentence on standard error says how; 2 the command line is wrong; 3 not all
that was asked for could be read; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kvtui import __version__
from kvtui.errors import ConfigError, KvtuiError

if TYPE_CHECKING:
    from kvtui.config import Settings
    from kvtui.fleet import Fleet

FAILED = 1
USAGE = 2
INTERRUPTED = 130

_EPILOG = """\
examples:
  kvtui                                  the current context of your kubeconfig
  kvtui --context prod -n shop           one context, one namespace
  kvtui demo                             everything, on an embedded cluster
  kvtui get vms -A -o wide               the same table as on the screen, for scripts
  kvtui get migrations --watch           and as it changes

exit status:
  0 done   1 failed   2 wrong usage   3 something could not be read   130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ConfigError as error:
        return _complain(error, USAGE)
    except KvtuiError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog="kvtui",
        description="See what is broken with your virtual machines, why, and mend it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared, _screen_options()],
    )
    parser.set_defaults(run=_run_screen)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="run on an embedded cluster",
        description=_run_demo.__doc__,
        parents=[_screen_options(inherit=True)],
    )
    demo.add_argument("--size", type=int, metavar="N", help="N VMs over N/20 nodes, up to 10000")
    demo.add_argument("--speed", type=float, metavar="X", help="virtual seconds in a real one; 0 stops the clock")
    demo.add_argument("--seed", type=int, metavar="N", help="another world for another number")
    demo.add_argument("--user", choices=("admin", "view"), help="whose rights the demo gives you")
    demo.add_argument(
        "--serve", action="store_true", help="only serve; the first line printed is the path of a kubeconfig"
    )
    demo.set_defaults(run=_run_demo)

    get = commands.add_parser(
        "get", help="print a table", description=_run_get.__doc__, parents=[_shared_options(inherit=True)]
    )
    get.add_argument("resource", help="vms, nodes, migrations, imports, pods, ...")
    get.add_argument("name", nargs="*", help="only these")
    get.add_argument("-o", "--output", choices=("table", "wide", "json", "name"), default="table", help="how to print")
    get.add_argument(
        "-l", "--selector", default="", metavar="LABELS", help="only rows with these labels: app=shop,tier!=db"
    )
    get.add_argument(
        "--filter", default="", metavar="TEXT", help="only rows that match, as typed after / on the screen"
    )
    get.add_argument("-w", "--watch", action="store_true", help="go on printing what changes")
    get.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait for the first answer"
    )
    get.set_defaults(run=_run_get)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_run_version)
    return parser


def _shared_options(*, inherit: bool = False) -> argparse.ArgumentParser:
    """Options that say which clusters and how; `inherit` for a command, where what is not given keeps what was."""
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS if inherit else None)
    group = options.add_argument_group("where")
    group.add_argument("--kubeconfig", metavar="FILE", help="instead of KUBECONFIG or ~/.kube/config")
    group.add_argument("--context", action="append", metavar="NAME", help="a context; may be given several times")
    where = group.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", metavar="NAME", help="this namespace only")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces (the default on the screen)")
    group.add_argument("--read-only", action="store_true", help="refuse every action that changes something")
    group.add_argument("--config", type=Path, metavar="FILE", help="another configuration file")
    if not inherit:
        options.set_defaults(all_namespaces=False, read_only=False)
    return options


def _screen_options(*, inherit: bool = False) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS if inherit else None)
    group = options.add_argument_group("screen")
    group.add_argument("--theme", metavar="NAME", help="kvtui-dark, kvtui-light, or one of your own")
    group.add_argument("--slow-link", action="store_true", help="fewer frames a second, for links where bytes are dear")
    group.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    if inherit:
        read_only = options.add_argument_group("where")
        read_only.add_argument("--read-only", action="store_true", help="refuse every action that changes something")
        read_only.add_argument("--config", type=Path, metavar="FILE", help="another configuration file")
    else:
        options.set_defaults(slow_link=False, no_mouse=False)
    return options


def _load_settings(arguments: argparse.Namespace) -> Settings:
    from kvtui.config import load_settings

    settings = load_settings(arguments.config)
    settings.read_only = settings.read_only or arguments.read_only
    settings.slow_link = settings.slow_link or arguments.slow_link
    settings.mouse = settings.mouse and not arguments.no_mouse
    settings.theme = arguments.theme or settings.theme
    return settings


def make_fleet(arguments: argparse.Namespace, settings: Settings) -> Fleet:
    """The fleet of all contexts asked for. Imports the client; waits for no server. Raises ConfigError."""
    from kvtui.audit import AuditLog
    from kvtui.backends.kubernetes.client import connect
    from kvtui.config import state_dir
    from kvtui.fleet import Fleet

    audit = AuditLog(state_dir() / "audit.jsonl")
    backends = []
    for name in arguments.context or [None]:
        chosen = settings.for_context(name or "")
        backends.append(
            connect(
                kubeconfig=arguments.kubeconfig,
                context=name,
                namespace="" if arguments.all_namespaces else arguments.namespace or chosen.namespace,
                read_only=settings.read_only or chosen.read_only,
                audit=audit,
            )
        )
    return Fleet(backends)


def _run_screen(arguments: argparse.Namespace) -> int:
    """Watch and act on virtual machines, live."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("kvtui needs a terminal", hint="for scripts there is kvtui get")
    settings = _load_settings(arguments)
    return _show(arguments, settings)


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    from kvtui.ui.app import run

    async def open_fleet() -> Fleet:
        return make_fleet(arguments, settings)

    return run(settings, open_fleet, where=", ".join(arguments.context or []))


def _run_demo(arguments: argparse.Namespace) -> int:
    """Run kvtui on an embedded cluster that lives in a process of its own; nothing is left when it ends."""
    import subprocess

    options = [
        argument
        for name in ("size", "speed", "seed", "user")
        if (value := getattr(arguments, name, None)) is not None
        for argument in (f"--{name}", str(value))
    ]
    command = [sys.executable, "-m", "kvtui.demo", *options]
    if getattr(arguments, "serve", False):
        os.execv(sys.executable, command)
    settings = _load_settings(arguments)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("kvtui demo needs a terminal", hint="kvtui demo --serve serves the cluster for other clients")
    with subprocess.Popen(
        [*command, "--with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            kubeconfig = server.stdout.readline().strip()
            if not kubeconfig:
                return FAILED
            arguments.kubeconfig, arguments.context, arguments.all_namespaces = kubeconfig, None, True
            return _show(arguments, settings)
        finally:
            server.stdin.close()
            server.terminate()


def _run_get(arguments: argparse.Namespace) -> int:
    """Print what the screen shows of a resource: the same rows, columns and words."""
    import asyncio

    from kvtui.get import Request, find_resource, print_rows

    settings = _load_settings(arguments)
    resource = find_resource(arguments.resource)
    request = Request(
        resource=resource,
        names=tuple(arguments.name),
        output=arguments.output,
        selector=arguments.selector,
        filter=arguments.filter,
        watch=arguments.watch,
        timeout=arguments.timeout,
    )
    return asyncio.run(print_rows(make_fleet(arguments, settings), request, sys.stdout, sys.stderr))


def _run_version(_arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(f"kvtui {__version__}")
    return 0


def _complain(error: KvtuiError, status: int) -> int:
    print(f"kvtui: {error.title}" + (f": {error.detail}" if error.detail else ""), file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    return status
