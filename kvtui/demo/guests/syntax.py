"""The shell's grammar: words with quotes, pipelines, redirections, lists. A useful part of bash's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_OPERATOR = re.compile(r"2>&1|&>|&&|\|\||>>|[;|<>&()\n]")
_BLANK = " \t\r"


class ShellSyntaxError(Exception):
    """A line that is not valid; the text is bash's own message."""


@dataclass(frozen=True)
class Piece:
    """Part of a word. `expands`: variables count; `literal`: quoted, so it never globs."""

    text: str
    expands: bool
    literal: bool


@dataclass
class Simple:
    """One command with its words and its redirections (operator, target)."""

    words: list[list[Piece]] = field(default_factory=list)
    redirects: list[tuple[str, list[Piece]]] = field(default_factory=list)


@dataclass
class Step:
    """A pipeline, and the operator (";", "&&", "||") that joins it to what ran before."""

    operator: str
    pipeline: list[Simple]


def parse(line: str) -> list[Step]:
    """The steps of a command line. Raises ShellSyntaxError."""
    steps: list[Step] = []
    command = Simple()
    pipeline = [command]
    operator = ";"
    redirect: str | None = None
    for token in [*_tokens(line), "\n"]:
        if isinstance(token, list):
            if redirect is None:
                command.words.append(token)
            else:
                command.redirects.append((redirect, token))
                redirect = None
        elif redirect is not None:
            raise _unexpected(token)
        elif token == "2>&1":
            command.redirects.append((token, []))
        elif token in (">", ">>", "<", "&>", "2>"):
            redirect = token
        elif token in ("&", "(", ")"):
            raise _unexpected(token)
        else:
            empty = not command.words and not command.redirects
            if empty and (token not in (";", "\n") or len(pipeline) > 1 or operator != ";" or token == ";"):
                raise _unexpected(token)
            command = Simple()
            if token == "|":
                pipeline.append(command)
                continue
            if not empty:
                steps.append(Step(operator, pipeline))
            pipeline = [command]
            operator = ";" if token == "\n" else token
            # A list may end with ";", and an empty line is no error.
            if token == ";" and not line[line.rfind(";") + 1 :].strip():
                operator = ";"
    return steps


def _unexpected(token: str) -> ShellSyntaxError:
    return ShellSyntaxError(f"syntax error near unexpected token `{'newline' if token == chr(10) else token}'")


def _tokens(line: str) -> list[str | list[Piece]]:
    tokens: list[str | list[Piece]] = []
    at = 0
    while at < len(line):
        if line[at] in _BLANK:
            at += 1
        elif line[at] == "#":
            end = line.find("\n", at)
            at = len(line) if end < 0 else end
        elif match := _OPERATOR.match(line, at) or re.compile(r"2>").match(line, at):
            tokens.append(match.group())
            at = match.end()
        else:
            word, at = _word(line, at)
            tokens.append(word)
    return tokens


def _word(line: str, at: int) -> tuple[list[Piece], int]:
    pieces: list[Piece] = []
    while at < len(line) and line[at] not in _BLANK:
        char = line[at]
        if char in "'\"":
            piece, at = _quoted(line, at)
            pieces.append(piece)
        elif char == "\\":
            pieces.append(Piece(line[at + 1 : at + 2], expands=False, literal=True))
            at += 2
        elif _OPERATOR.match(line, at) and not line.startswith("2>&1", at):
            break
        else:
            end = at + 1
            while end < len(line) and line[end] not in _BLANK + "'\"\\;|<>&()\n":
                end += 1
            pieces.append(Piece(line[at:end], expands=True, literal=False))
            at = end
    return pieces, at


def _quoted(line: str, at: int) -> tuple[Piece, int]:
    quote = line[at]
    text = []
    at += 1
    while at < len(line) and line[at] != quote:
        if quote == '"' and line[at] == "\\" and line[at + 1 : at + 2] in ('"', "\\", "$", "`"):
            at += 1
        text.append(line[at])
        at += 1
    if at >= len(line):
        raise ShellSyntaxError(f"unexpected EOF while looking for matching `{quote}'")
    return Piece("".join(text), expands=quote == '"', literal=True), at + 1
