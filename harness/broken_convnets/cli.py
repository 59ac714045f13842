# PYTHON_ARGCOMPLETE_OK
"""The command line: `broken-convnets`, or `python -m broken_convnets`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from broken_convnets.commands.registry import COMMANDS, GROUPS
from broken_convnets.commands.shared_options import add_corpus
from broken_convnets.errors import UsageError
from broken_convnets.util.optional import first_missing, how_to_install
from broken_convnets.util.streams import prepare_standard_streams
from broken_convnets.util.visible import visible
from broken_convnets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import TextIO

PROGRAM = "broken-convnets"
EXIT_USAGE = 2
DESCRIPTION = "Minimal broken PyTorch convolutional networks, each beside its fixed version."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 success, 1 a failed check, 2 wrong usage."""
    try:
        prepare_standard_streams()
        try:
            code = _main(sys.argv[1:] if arguments is None else list(arguments))
        finally:  # argparse prints help, ignores errors of the disk, and exits
            if not sys.stdout.closed:  # a traced program may close it
                sys.stdout.flush()
    except UsageError as error:
        return _usage_error(str(error))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader (head, less) has exited
        _discard(sys.stdout)
        return 128 + signal.SIGPIPE
    except OSError as error:
        _discard(sys.stdout)
        return _usage_error(_failed(error))
    return code


def _main(words: list[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        from broken_convnets.commands.completion import complete  # noqa: PLC0415  (never else)

        complete(lambda named: _parsers(named)[0])
    parser, commands = _parsers(words[:1])
    if not words or words[0].startswith("-"):
        return _without_command(parser, words)
    name = words[0]
    if name not in commands:
        parser.error(f"unknown command {name!r}{_suggestion(name, COMMANDS)}")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        known = re.findall(r"^ +(?:-\w, )?(--[\w-]+)", commands[name].format_help(), re.MULTILINE)
        commands[name].error(f"unknown argument {unknown[0]!r}{_suggestion(unknown[0], known)}")
    return _run(name, options)


def _without_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    if words and words[0] not in {"-h", "--help", "--version"}:
        parser.error(f"unknown option {words[0]!r}: write the command first, then its options")
    if parser.parse_args(words).version:
        print(f"{PROGRAM} {__version__}")
    else:
        parser.print_help()
    return 0


def _run(name: str, options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if missing := first_missing(COMMANDS[name].needs):
        raise UsageError(how_to_install(name, missing))
    return int(options.run(options))


def _failed(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:  # of a stream, a process, or the whole system
        return f"the system refused an operation: {reason}; check the free space and the limits"
    return f"cannot use {os.fspath(error.filename)}: {reason}; check the path and its permissions"


def _discard(stream: TextIO) -> None:
    """Send what is still to be written nowhere: the interpreter would try again as it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage_error(message: str) -> int:
    try:
        print(f"error: {visible(message)}", file=sys.stderr, flush=True)
    except OSError:  # it may be as full as the disk
        _discard(sys.stderr)
    return EXIT_USAGE


def _suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question that names the most similar of the `known` words, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415  (slow to import, and rarely needed)

    similar = get_close_matches(word.lower(), list(known), n=1)
    return f": did you mean {similar[0]}?" if similar else ""


def _parsers(
    named: Collection[str],
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the main parser, and the parser of every command.

    Only those of the `named` commands have options: importing all commands would take longer
    than running a quick one.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [options]",
        description=DESCRIPTION,
        epilog=_grouped_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(prog=PROGRAM, metavar="COMMAND", help=argparse.SUPPRESS)
    commands = {}
    for name, command in COMMANDS.items():
        description = f"{command.help[:1].upper()}{command.help[1:]}."
        commands[name] = subparsers.add_parser(name, description=description)
        if name in named:
            module = import_module(f"broken_convnets.commands.{name}.command")
            commands[name].set_defaults(run=module.run)
            add_corpus(commands[name])
            module.add_options(commands[name])
    return parser, commands


def _grouped_help() -> str:
    width = max(map(len, COMMANDS))
    lines = []
    for group, commands in GROUPS.items():
        lines.append(f"{group}:")
        lines += [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
        lines.append("")
    return "\n".join([*lines, f"Run `{PROGRAM} COMMAND --help` for the options of a command."])
