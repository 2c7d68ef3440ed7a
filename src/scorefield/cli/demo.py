"""``scorefield demo``: play with trained models in a browser, on this machine."""

import atexit
import gc
import signal
import socket
import webbrowser
from importlib.util import find_spec
from types import FrameType

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import restricted_number_type

from scorefield.cli.console import tell, warn
from scorefield.cli.options import command, data_dir, device, plugin
from scorefield.errors import ConfigError, MissingExtraError

_SHIPPED = ["mnist", "mnist-class", "mnist-fast", "digits"]
_Port = restricted_number_type("a whole number from 0 to 65535", int, [(">=", 0), ("<=", 65535)])
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Serve pages to play with trained models: draw with any sampler, restore what is hidden, look at every noise level. Everything is "
        "computed on this machine, and nobody else can reach it unless --host says so. Ctrl-C ends it."
    )
    plugin(parser)
    models = "models to offer: run folders, shipped models, or hf:ORG/NAME"
    parser.option("models RUN", models, nargs="*", default=_SHIPPED)
    parser.option(
        "--host HOST",
        "address to listen on; 0.0.0.0 lets in everyone who can reach this machine",
        default=_LOOPBACK[0],
    )
    parser.option("--port N", "port to listen on; 0, the default, takes a free one", _Port, default=0)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    device(parser)
    data_dir(parser)
    return parser


def run(args: Namespace) -> int:
    """Serve until Ctrl-C; return the exit code."""
    if None in map(find_spec, ("fastapi", "uvicorn")):
        raise MissingExtraError("the demo needs fastapi and uvicorn: pip install 'scorefield[demo]'")
    atexit.register(gc.freeze)  # else Ctrl-C is followed by a look through all objects of PyTorch, for a second
    with _listen(args.host, args.port) as listening:
        return _serve(args, listening)


def _serve(args: Namespace, listening: socket.socket) -> int:
    import uvicorn

    from scorefield.app.server import build
    from scorefield.app.shelf import Shelf
    from scorefield.training import pick_device

    local = args.host in _LOOPBACK
    shelf = Shelf(args.models, pick_device(args.device), args.data_dir, args.plugin or [])
    shelf.warm()  # before anyone waits; if a model cannot be loaded, this is said here
    app = build(shelf, local=local)
    name = args.host if local else socket.gethostname()
    address = f"http://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}"
    if not local:
        warn(
            f"--host {args.host}: everyone who can reach this machine can use its processor; put a proxy with a password before it"
        )
    print(f"scorefield demo: {address}  (Ctrl-C ends it)", flush=True)
    if args.open and not webbrowser.open(address):
        tell("scorefield: no browser was found; open the address above")
    settings = uvicorn.Config(app, log_level="warning", limit_concurrency=128, timeout_graceful_shutdown=3)
    received: list[int] = []

    class Server(uvicorn.Server):
        """One that remembers the signal that ended it: whether `run` raises it again depends on the moment."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            received.append(sig)
            super().handle_exit(sig, frame)

    Server(settings).run([listening])
    if signal.SIGINT in received:
        raise KeyboardInterrupt
    return 128 + received[0] if received else 0


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    try:
        family = socket.getaddrinfo(host, None)[0][0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)  # from now on whoever opens the address is heard
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"--host {host} --port {port}: cannot be listened on: {why}; --port 0 takes a free port"
        ) from error
    return listening
