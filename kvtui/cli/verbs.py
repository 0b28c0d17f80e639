"""What may be written after ``kvtui VERB``: names, the verb's own options, and those of the form that it has.

Which fields a form has is known only once it is made for the objects. So every long option that the command line does
not know is kept, with the word behind it, and matched with the fields later.
"""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kvtui.actions.commands import Deed, Verb

_HELP: Final = {
    "all_namespaces": "names and labels of all namespaces",
    "namespace": "the namespace of names without one",
    **dict.fromkeys(("record", "theme", "slow_link", "no_mouse"), SUPPRESS),
}
"""Of the options that all commands have: what they mean here; those of the screen mean nothing."""
_CODES: Final = """\
exit codes:
  0    done; without --wait the server accepted it; or it is so already, as a VM that is off when it is to be stopped
  1    failed, refused or not possible now, a name that is taken, or an object that was named is not there: nothing was
       changed; by -l it is enough (0) that it was possible for one of them; with --wait also: accepted, and come to
       nothing
  2    the command line, the configuration or the kubeconfig makes no sense: nothing was sent
  3    done to some and not to others; nobody knows (the connection broke, or a 502 or 504 came), and with --wait it was
       not seen either; or the cluster does not answer
  4    not confirmed: nothing was sent
  5    accepted, but its effect or end was not seen in time (--wait); of downloads and uploads: --timeout is over
  130  interrupted; what was sent and what was not is told"""

_MORE: Final = """\
names are NAME or NAMESPACE/NAME; without a namespace it is that of -n, of the configuration or of the context. On
hosts of libvirt they are NAME or HOST/NAME.
Before anything is sent it is asked whether it is meant, with the warnings of the screen; --yes does without, and where
there is no terminal it is needed. --dry-run has the cluster judge it and change nothing.

fields: what the screen asks in a form are options here, --FIELD VALUE or --FIELD=VALUE; of yes and no --FIELD and
  --no-FIELD. --fields lists those that there are for these objects; --set FIELD=VALUE is for one that is called like
  an option of kvtui. Sizes are quantities of Kubernetes: 4Gi, 512Mi, 4G (10^9), rounded up where needed and said so; a
  bare number is in the unit that --fields names.

json: one object with the keys verb, action, dry_run, waited, error (why it ended before its time; empty when it did
  not), warnings, counts (state to number) and items, each with backend, kind, namespace, name, uid, state (done,
  accepted, failed, left out, not sent, nobody knows; of a dry run accepted), words, warnings (what the
  server warned of), seconds, made: null, or kind,
  namespace, name and uid of what was made, and target: the same of the VM that this leads to, as that of a clone."""


def take_verb(
    words: Sequence[str],
    parser: ArgumentParser,
    shared: Callable[[], ArgumentParser],
    defaults: Mapping[str, object],
) -> Namespace | None:
    """What was asked for by a verb; None where it is none, for which `parser` then is. Its help tells of the verbs, and
    a word that is neither ends the program with a sentence and code 2.
    """
    at = find_command(words, parser)
    commands = [word for action in parser._actions if action.dest == "command" for word in action.choices or ()]
    if words[at] in commands if at is not None else not {"-h", "--help"} & set(words):
        return None
    from kvtui.actions.commands import find_verbs
    from kvtui.resources import RESOURCES

    verbs = find_verbs(RESOURCES)
    if at is None:
        parser.epilog = f"{tell_verbs(verbs)}\n\n{parser.epilog}"
        return None
    if words[at] == "edit":
        parser.error("edit is on the screen alone: kvtui shows it, e edits the VM under the cursor in $EDITOR")
    if words[at] not in verbs:
        alike = get_close_matches(words[at], [*commands, *verbs], 1)
        parser.error(f"there is no command {words[at]!r}{f', did you mean {alike[0]}?' if alike else ''}")
    return parse_verb(verbs[words[at]], [*words[:at], *words[at + 1 :]], shared, defaults)


def find_command(words: Sequence[str], parser: ArgumentParser) -> int | None:
    """Where the first word stands that is neither an option nor the value of one; None without one."""
    takes = {text: action.nargs != 0 for text, action in parser._option_string_actions.items()}
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--" or not word.startswith("-"):
            return at if word != "--" else None
        at += 2 if takes.get(word, False) else 1
    return None


def parse_verb(
    verb: Verb, words: Sequence[str], shared: Callable[[], ArgumentParser], defaults: Mapping[str, object]
) -> Namespace:
    """What was asked for; ends the program with a sentence and code 2 when it makes no sense.

    `shared` makes the options that all commands have, whose defaults are `defaults`.
    """
    parser = make_verb_parser(verb, shared(), defaults)
    own, fields = split_fields(words, _long_options(parser))
    # What follows it are names, whatever they look like; argparse takes them for options when they stand between some.
    at = own.index("--") if "--" in own else len(own)
    options = parser.parse_intermixed_args(own[:at])
    options.words = [*options.words, *own[at + 1 :]]
    options.fields = fields | dict(options.set)
    options.command = "act"
    options.verb = verb.word
    if options.selector is not None and not options.selector.strip():
        parser.error("argument -l/--selector: it is empty")
    return options


def make_verb_parser(verb: Verb, shared: ArgumentParser, defaults: Mapping[str, object]) -> ArgumentParser:
    """The parser of one verb."""
    usual = verb.usual
    kind = f"[{verb.kinds.replace(', ', '|')}] " if usual is not None and len(verb.deeds) > 1 else ""
    kind = kind if usual is not None else "KIND "
    parser = ArgumentParser(
        prog=f"kvtui {verb.word}",
        usage=f"kvtui {verb.word} {kind}NAME... [options]",
        description=_describe(verb),
        epilog=f"{_MORE}\n\n{_CODES}",
        formatter_class=RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    for option in parser._actions:
        option.help = _HELP.get(option.dest, option.help)
    parser.set_defaults(**defaults)
    parser.add_argument("words", nargs="*", metavar="NAME", help="NAME, NAMESPACE/NAME or HOST/NAME, several; "
                        "those that begin with - behind --")  # fmt: skip
    parser.add_argument("-l", "--selector", metavar="SELECTOR", help="all with these labels: app=web,tier!=db")
    parser.add_argument("-y", "--yes", action="store_true", help="do it without asking")
    parser.add_argument("--dry-run", action="store_true", help="have it judged, and change nothing")
    parser.add_argument("--wait", action="store_true", help="until the effect is seen, not only accepted; "
                        "what is made until it is ready, a migration until it has ended")  # fmt: skip
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                        help="how long to wait for the cluster (default: 15), and with --wait for the effect "
                        "(default: twice as long as it usually takes)")  # fmt: skip
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="a line for each, or json")
    parser.add_argument("--set", action="append", type=_setting, default=[], metavar="FIELD=VALUE",
                        help="a field of the form; several may be given")  # fmt: skip
    parser.add_argument("--fields", dest="list_fields", action="store_true",
                        help="list the fields that there are for these objects, and do nothing")  # fmt: skip
    return parser


def split_fields(words: Sequence[str], known: Collection[str]) -> tuple[list[str], dict[str, str | None]]:
    """The words without the long options that are not `known`, and those, each with its value, None without one."""
    kept: list[str] = []
    fields: dict[str, str | None] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*kept, word, *rest], fields
        name, equals, value = word.partition("=")
        if not word.startswith("--") or name in known:
            kept.append(word)
        elif equals:
            fields[name[2:]] = value
        elif rest and (rest[0] == "-" or not rest[0].startswith("-") or rest[0][1:2].isdecimal()):
            # A number below nothing is a wrong value, and no name: the field says so.
            fields[name[2:]] = rest.pop(0)
        else:
            fields[name[2:]] = None
    return kept, fields


def tell_verbs(verbs: Mapping[str, Verb]) -> str:
    """All verbs with their kinds, for the help of the program."""
    width = max(map(len, verbs), default=0)
    lines = [f"  {word:<{width}}  {verb.kinds}" for word, verb in verbs.items()]
    return "\n".join(["verbs, and what they are for (kvtui VERB --help tells more):", *lines])


def _describe(verb: Verb) -> str:
    if len(verb.deeds) == 1:
        return _tell(verb.deeds[0])
    from kvtui.actions.commands import kind_of

    return "\n".join(f"{kind_of(deed)}: {_tell(deed)}" for deed in verb.deeds)


def _tell(deed: Deed) -> str:
    """What it does; on several platforms, in the words of each."""
    variants = deed.action.variants or ((object, deed.action),)
    return " Or: ".join(dict.fromkeys(variant.help for _, variant in variants if variant.command))


def _long_options(parser: ArgumentParser) -> frozenset[str]:
    return frozenset(text for text in parser._option_string_actions if text.startswith("--"))


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError("it is not FIELD=VALUE")
    return name, value


def _seconds(text: str) -> float:
    from kvtui.cli.arguments import read_seconds

    return read_seconds(text)
