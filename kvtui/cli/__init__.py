"""The command line. Heavy packages are imported inside functions: help and version answer at once."""

from __future__ import annotations

import gc
import sys
from argparse import Namespace
from collections.abc import Sequence

from kvtui.cli.arguments import parse_arguments
from kvtui.cli.codes import FAILED, INTERRUPTED, OK, PARTIAL, UNCONFIRMED, UNSEEN, USAGE
from kvtui.cli.output import prepare_streams, printing
from kvtui.errors import ConfigError, KvtuiError, LateError, UnconfirmedError, UnreachableError

YOUNG = 10_000
"""Objects that come into being between two looks at what is not used any more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run kvtui with the arguments of the command line; the exit code (see the end of ``--help``)."""
    # msgspec obeys this limit too: an object nested a thousand levels deep must not cost us the list that it is in.
    sys.setrecursionlimit(11_000)
    # What imports make stays, and records are none of the collector's: at its own pace it takes a tenth of the start.
    gc.set_threshold(YOUNG)
    try:
        prepare_streams()
        options = parse_arguments(argv)
        return _run(options)
    except ConfigError as error:
        _complain(error)
        return USAGE
    except UnconfirmedError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"kvtui: {error.title}: {error.detail}{hint}\n")
        return UNCONFIRMED
    except LateError as error:
        _complain(error)
        return UNSEEN
    except KvtuiError as error:
        _complain(error)
        return PARTIAL if isinstance(error, UnreachableError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone.
        return OK


def _run(options: Namespace) -> int:
    match options.command:
        case "version":
            from kvtui import __version__

            with printing():
                sys.stdout.write(f"kvtui {__version__}\n")
            return OK
        case "get":
            from kvtui.cli.get import get

            return get(options)
        case "act":
            from kvtui.cli.act import act

            return act(options)
        case "why":
            from kvtui.cli.why import why

            return why(options)
        case "stack":
            from kvtui.cli.stack import stack

            return stack(options)
        case "timeline":
            from kvtui.cli.timeline import timeline

            return timeline(options)
        case "problems":
            from kvtui.cli.problems import problems

            return problems(options)
        case "audit":
            from kvtui.cli.audit import audit

            return audit(options)
        case "screenshot":
            from kvtui.cli.screenshot import screenshot

            return screenshot(options)
        case "replay":
            from kvtui.cli.replay import replay

            return replay(options)
        case "console":
            from kvtui.cli.console import console

            return console(options)
        case "ssh":
            from kvtui.cli.ssh import ssh

            return ssh(options)
        case "port-forward":
            from kvtui.cli.port_forward import port_forward

            return port_forward(options)
        case "upload":
            from kvtui.cli.upload import upload

            return upload(options)
        case "download":
            from kvtui.cli.download import download

            return download(options)
        case "demo":
            from kvtui.cli.demo import demo

            return demo(options)
        case _:
            from kvtui.cli.screen import show

            return show(options)


def _complain(error: KvtuiError) -> None:
    detail = f": {error.detail}" if error.detail else ""
    sys.stderr.write(f"kvtui: {error.title}{detail}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
