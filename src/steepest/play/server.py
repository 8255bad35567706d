"""Serves a page on this machine until Ctrl-C."""

from __future__ import annotations

import importlib
import ipaddress
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steepest.errors import MissingExtraError, OptionError
from steepest.play.guard import PARAMETER, Guard
from steepest.play.workplace import Workplace, open_workplace

APPS = Path(__file__).parent / "apps"
LOOPBACK = "127.0.0.1"


def serve(
    page: str,
    place: Workplace,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    ready: Callable[[str], None],
) -> None:
    """Serve a page until Ctrl-C, which is raised again when what runs has been stopped.

    Args:
        page: one of :data:`steepest.play.PAGES`.
        place: where it works.
        host: the address to listen on.
        port: the port; 0 for a free one.
        ready: called with the address, which has the token, when the page can be opened.

    Raises:
        MissingExtraError: marimo is not installed.
        OptionError: the address or port cannot be used.
    """
    marimo, uvicorn = _libraries()
    listening = listen(host, port)
    token = secrets.token_urlsafe(24)
    builder = marimo.create_asgi_app(quiet=True, include_code=False, token=token, skew_protection=True)
    app = builder.with_app(path="", root=str(APPS / f"{page}.py")).build()
    guarded = Guard(app, token=token, folder=place.folder, hosts=names_of(host))
    address = f"http://{_written(host)}:{listening.getsockname()[1]}/?{PARAMETER}={token}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            ready(address)

        async def shutdown(self, sockets: Any = None) -> None:
            for route in app.routes:  # a session is a thread that would keep the process from ending
                await route.app.state.session_manager.shutdown()
            await super().shutdown(sockets=sockets)

    config = uvicorn.Config(
        guarded, log_level="critical", lifespan="off", server_header=False, timeout_graceful_shutdown=1
    )
    open_workplace(place)
    try:
        Server(config).run(sockets=[listening])
    finally:
        place.close()
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OptionError: the address or port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except (OSError, OverflowError, UnicodeError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(
            f"{host}:{port} cannot be listened on: {reason.lower()}",
            hint="leave --port out for a free one, and --host for this machine alone.",
        ) from None
    return made


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> frozenset[str]:
    """Return the names under which a page may be called; none for any, where other machines may call it.

    Another site's page can give its own name the address of this machine; then the name is not among these.

    Example:
        >>> sorted(names_of("127.0.0.1")), names_of("0.0.0.0")
        (['127.0.0.1', '[::1]', 'localhost'], frozenset())
    """
    return frozenset({LOOPBACK, "localhost", "[::1]"}) if is_loopback(host) else frozenset()


def _written(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _libraries() -> tuple[Any, Any]:
    try:
        return importlib.import_module("marimo"), importlib.import_module("uvicorn")
    except ImportError:
        raise MissingExtraError(
            "live pages need the package marimo, which is not installed", hint="pip install '.[play]'"
        ) from None
