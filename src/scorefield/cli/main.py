"""The entry point: parse, dispatch, and turn what went wrong into a message and an exit code.

0 ok · 1 run failed · 2 bad usage or configuration · 3 data · 4 checkpoint · 5 diverged · 70 bug · 129/130/143 signals
"""

import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

import scorefield
from scorefield._replacing import FULL, remedy
from scorefield.cli import console
from scorefield.cli.dotted import gathered, names_restored
from scorefield.cli.memory import keep_freed, load_torch
from scorefield.cli.options import LEVELS
from scorefield.cli.threads import use_threads
from scorefield.errors import ConfigError, ScorefieldError

COMMANDS = ("quickstart", "toy", "train", "sample", "inpaint", "solve", "impute", "evaluate", "likelihood", "race")
COMMANDS += ("tune", "compress", "suggest", "demo", "reproduce", "convert", "doctor")
"""Modules of this package with ``parser()`` and ``run(args)``; the first line of a module is the command's in ``--help``."""

_BUG = 70
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_REFUSED = re.compile(
    r'Parser key "(?P<key>[^"]+)":\s+Not of type (?P<expected>a(?: finite|uto| whole).*?): (?P<why>.*)'
)
_UNLIKE = re.compile(r"""Parser key "(?P<key>[^"]+)":\s+Expected a <class '(?P<type>\w+)'>. Got value: (?P<value>.*)""")
_TYPES = {"int": "whole number", "float": "number"}

_HOME = re.compile(r"^(--[\w.-]+=)~/")  # which a shell replaces only where a word begins with it

_REQUIRED = "the following arguments are required: "


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:
        os.environ["MPLBACKEND"] = "agg"  # whatever a notebook said that this was started from: nothing is shown
    given = _with_level(sys.argv[1:] if argv is None else argv)
    arguments = [_HOME.sub(lambda found: found[1] + os.path.expanduser("~/"), argument) for argument in given]
    console.open_streams()
    keep_freed()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no word about its cache where no home can be written
    try:
        console.speak("info")
        args = _parse(build_parser([name for name in COMMANDS if name in arguments[:1]] or COMMANDS), arguments)
        chosen = args[args.subcommand]
        console.speak(chosen.verbose)
        use_threads(chosen.threads, fixed=args.subcommand in ("train", "quickstart", "toy"))
        if args.subcommand not in ("demo", "reproduce"):  # which may have answered before they need it
            load_torch()
        if chosen.get("plugin"):
            with redirect_stdout(sys.stderr):  # what a file prints is no result
                import_module("scorefield.config").load_plugins(chosen.plugin)
        with console.warnings_told():
            code = import_module(f"scorefield.cli.{args.subcommand}").run(chosen)
        sys.stdout.flush()
        return code
    except ScorefieldError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        console.abandon_output()  # the reader left; so do we, quietly
        return 0
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not _somewhere():
            return _fail("the working folder no longer exists: enter another", 2)
        if isinstance(error, OSError) and error.errno in _FORBIDDEN + FULL:
            named = error.filename or console.unnamed()
            console.abandon_output()
            code, advice = (
                (2, "") if error.errno in _FORBIDDEN else (1, f"; {remedy(error)}, and run the command again")
            )
            return _fail(f"{named}: {error.strerror}{advice}", code)
        if _out_of_memory(error):
            advice = "use a smaller --batch-size or train.batch_size, or a larger train.accumulate"
            return _fail(f"out of memory; {advice} ({' '.join(str(error).split())[:200]})", 1)
        if blamed := import_module("scorefield.config.plugins").plugin_at_fault(error):
            return _fail(f"{blamed}: {type(error).__name__}: {error}", 2)
        console.tell(traceback.format_exc())
        return _fail(
            f"this is a bug in scorefield ({type(error).__name__}: {error}); please report the lines above", _BUG
        )


def build_parser(wanted: Sequence[str] = COMMANDS) -> ArgumentParser:
    """Return the parser of the whole command line, or of some commands: building all of them takes longer than parsing one.

    With shtab installed, ``--print_completion shtab-zsh`` is a script for zsh.
    """
    set_parsing_settings(add_print_completion_argument=find_spec("shtab") is not None)
    parser = ArgumentParser(
        prog="scorefield", description="Score-based generative models: train, sample, check.", exit_on_error=False
    )
    parser.add_argument("--version", action="version", version=f"scorefield {scorefield.__version__}")
    commands = parser.add_subcommands(required=True, metavar="COMMAND")
    for name in wanted:
        module = import_module(f"scorefield.cli.{name}")
        summary = (module.__doc__ or "").partition("\n")[0].partition(": ")[2].rstrip(".")
        commands.add_subcommand(name, module.parser(), help=summary)
    return parser


def _somewhere() -> bool:
    """Return whether there is a working folder: it may have been removed by others."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _with_level(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which ``--verbose`` alone is ``--verbose=debug``: what follows it may be the name of a model."""
    given = list(arguments)
    while "--verbose" in given:
        k = given.index("--verbose")
        told = [word for word in given[k + 1 : k + 2] if word in LEVELS]
        given[k : k + 1 + len(told)] = [f"--verbose={''.join(told) or 'debug'}"]
    return given


def _parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the parsed arguments; whatever the parser objects to is a ConfigError."""
    try:
        args = parser.parse_args(gathered(arguments))
        names_restored(args[args.subcommand].get("data"))
        return args
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        raise ConfigError(_objection(str(error), arguments)) from error


def _objection(text: str, arguments: list[str]) -> str:
    """Return in one line what the parser objects to."""
    refused = _REFUSED.search(text)
    if refused is not None:
        key, why = refused["key"].rpartition(".")[2], refused["why"]
        said = (argument.partition("=")[0] for argument in arguments)
        option = next(
            (name for name in said if name.lstrip("-").replace("-", "_") == key), f"{'--' if key[1:] else '-'}{key}"
        )
        received = why.split("'")[1] if why.endswith("'") else why.partition(" ")[0]
        return f"{option}: expected {refused['expected']}; received {received}"
    if (unlike := _UNLIKE.search(text)) is not None:
        option = unlike["key"].rpartition(".")[2].replace("_", "-")
        if unlike["type"] == "dict":
            return (
                f"--{option}: expected {{KEY: VALUE}}, or in its place --{option}.KEY VALUE; received {unlike['value']}"
            )
        return f"--{option}: expected a {_TYPES.get(unlike['type'], unlike['type'])}; received {unlike['value']}"
    if not arguments[:1] or text.startswith("argument COMMAND"):
        near = get_close_matches(arguments[0], COMMANDS, n=1) if arguments else []
        meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(COMMANDS)}"
        return f"{arguments[0] + ': no such command' if arguments else 'no command'}; {meant} (see --help)"
    message = " ".join(line.strip() for line in text.splitlines() if line.strip())[:500]
    if message.startswith(_REQUIRED) and arguments[0] in COMMANDS:
        message = _REQUIRED + _as_typed(arguments[0], message.removeprefix(_REQUIRED).split(", "))
    if message.startswith("unrecognized arguments") and ".yaml" in message:
        message += "; a configuration follows --config"
    return f"{message} (see --help)"


def _as_typed(command: str, names: list[str]) -> str:
    """Return what the parser calls ``command.option`` as its help shows it."""
    actions = {action.dest: action for action in import_module(f"scorefield.cli.{command}").parser()._actions}
    typed = (actions[name.rpartition(".")[2]] for name in names)
    return ", ".join(action.option_strings[-1] if action.option_strings else str(action.metavar) for action in typed)


def _out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out: on a GPU torch raises a class of its own, on a CPU only the message says it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("allocate memory", "not enough memory", "bad_alloc", "bad allocation")
    return isinstance(error, RuntimeError | OSError) and any(word in str(error) for word in words)


def _fail(message: str, code: int) -> int:
    """Print the message, and the traceback when asked, to stderr."""
    if console.level() == "debug" and sys.exc_info()[0] is not None and code not in (130, _BUG):
        console.tell(traceback.format_exc())
    console.tell(f"scorefield: {message}")
    return code
