"""The command line: strings become objects here, results become files, errors become one line and an exit code."""

try:
    from scorefield.cli.main import main
except KeyboardInterrupt:
    # Ctrl-C before there is a command: the lines of whatever was being imported tell nobody anything.
    raise SystemExit(130) from None

__all__ = ["main"]
