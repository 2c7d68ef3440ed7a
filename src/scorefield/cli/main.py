"""The entry point: parse, dispatch, and turn what went wrong into a message and an exit code.

0 ok · 1 run failed · 2 bad usage or configuration · 3 data · 4 checkpoint · 5 diverged · 70 bug · 130/143 signals
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from jsonargparse import ArgumentParser, Namespace

from scorefield._errors import ConfigError, ScorefieldError
from scorefield.cli.arguments import build_parser
from scorefield.cli.dotted import gathered, names_restored
from scorefield.cli.memory import keep_freed

__all__ = ["main"]

_BUG = 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in arguments
    keep_freed()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no word about its cache where no home can be written
    try:
        args = _parse(build_parser(), arguments)
        chosen = args[args.subcommand]
        if chosen.get("plugin"):
            import_module("scorefield.config").load_plugins(chosen.plugin)
        code = import_module(f"scorefield.cli.{args.subcommand}").run(chosen)
        sys.stdout.flush()
        return code
    except ScorefieldError as error:
        return _fail(str(error), error.exit_code, verbose)
    except KeyboardInterrupt:
        return _fail("interrupted", 130, verbose=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; so do we, quietly
        return 0
    except Exception as error:
        if _out_of_memory(error):
            advice = "use a smaller --batch-size or train.batch_size, or a larger train.accumulate"
            return _fail(f"out of memory; {advice} ({' '.join(str(error).split())[:200]})", 1, verbose)
        traceback.print_exc()
        return _fail(
            f"this is a bug in scorefield ({type(error).__name__}: {error}); please report the lines above", _BUG, False
        )


def _parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the parsed arguments; whatever the parser objects to is a ConfigError."""
    try:
        args = parser.parse_args(gathered(arguments))
        names_restored(args[args.subcommand].get("data"))
        return args
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        message = " ".join(line.strip() for line in str(error).splitlines() if line.strip())[:500]
        if message.startswith("unrecognized arguments") and ".yaml" in message:
            message += "; a configuration follows --config"
        raise ConfigError(f"{message} (see --help)") from error


def _out_of_memory(error: Exception) -> bool:
    """Tell whether memory ran out: torch says so by a class of its own on a GPU, and in words alone on a CPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("allocate memory", "not enough memory", "bad_alloc", "bad allocation")
    return isinstance(error, RuntimeError | OSError) and any(word in str(error) for word in words)


def _fail(message: str, code: int, verbose: bool) -> int:
    """Print the message, and the traceback when asked, to stderr."""
    if verbose:
        traceback.print_exc()
    print(f"scorefield: {message}", file=sys.stderr)
    return code
