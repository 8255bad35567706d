"""What stands before a page: who does not have the token gets nothing, and who has it gets the page, not the machine.

It is an ASGI application around another one. Every request needs the token, the assets, too. Of the page's own routes
only those that a visitor of a running page needs are passed on, so that none of an editor is within reach. The headers
forbid the browser to load anything from elsewhere.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PARAMETER = "access_token"
"""Where the address that is printed has the token; marimo's own check reads it there, too."""
KEPT = re.compile(r"/kept/([\w-][\w.-]{0,59})/report\.html")
"""Addresses of the reports of comparisons, by the name of the folder."""

READ = re.compile(
    r"/|/ws|/health|/api/version|/public-files-sw\.js|/(assets|files|@file)/[\w@./+-]+|/[\w-]+\.(png|ico|svg|json|webmanifest)"
)
WRITE = re.compile(r"/api/kernel/(set_ui_element_value|set_model_value|function_call|instantiate)")
LONGEST = 2000
"""Letters of an address."""
LARGEST = 1 << 20
"""Bytes of a request."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}

REFUSED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>steepest</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:4em auto;padding:0 1em}
@media(prefers-color-scheme:dark){body{background:#101317;color:#e8ebef}}</style>
<h1>This page needs its token</h1><p>Open the address that <code>steepest play</code> printed in the terminal.</p>"""


class Guard:
    """The application that checks requests.

    Args:
        page: the application behind it.
        token: the secret of the address.
        folder: where comparisons are kept.
        hosts: names under which the page may be called; none for any.
    """

    def __init__(self, page: Application, *, token: str, folder: Path, hosts: frozenset[str]) -> None:
        self._page, self._token, self._folder, self._hosts = page, token, folder, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._page(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        status, text = self._refusal(scope, headers)
        if status:
            await _answer(scope, send, status, text)
            return
        path = str(scope["path"])
        kept = KEPT.fullmatch(path)
        if kept is not None:
            report = self._report(kept[1])
            await _answer(scope, send, 200 if report else 404, report or b"there is no such report")
            return
        cookie = f"{_cookie_name(scope)}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        entering = self._given(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                added += [pair for pair in message.get("headers", []) if pair[0].decode() not in HEADERS]
                if entering:
                    added.append((b"set-cookie", cookie.encode()))
                message = {**message, "headers": added}
            await send(message)

        await self._page(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return the status and the text of what is not passed on; status 0 for the rest."""
        host = headers.get("host", "")
        if self._hosts and _name_of(host) not in self._hosts:
            return 400, b"unknown host"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, b"requests from other pages are refused"
        path, method = str(scope["path"]), scope.get("method", "GET")
        if len(path) + len(scope.get("query_string", b"")) > LONGEST:
            return 414, b"the address is too long"
        if not (self._given(scope) or self._remembered(scope, headers)):
            return 401, REFUSED.encode()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST:
            return 413, b"the request is too large"
        allowed = WRITE.fullmatch(path) if method == "POST" else READ.fullmatch(path) or KEPT.fullmatch(path)
        if allowed is None or method not in ("GET", "HEAD", "POST") or ".." in path:
            return 404, b"not found"
        return 0, b""

    def _given(self, scope: Scope) -> bool:
        """Whether the address has the token."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return any(self._is_token(each) for each in query.get(PARAMETER, []))

    def _remembered(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether a cookie has the token."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(_cookie_name(scope))
        except CookieError:
            return False
        return found is not None and self._is_token(found.value)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _report(self, name: str) -> bytes | None:
        """Return a report, if there is one and it is in the folder."""
        path = self._folder / name / "report.html"
        try:
            if path.resolve(strict=True) != self._folder.resolve() / name / "report.html":
                return None  # a link to another place
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError):
            return None


def _name_of(host: str) -> str:
    """Return a host without its port.

    Example:
        >>> _name_of("127.0.0.1:8000"), _name_of("[::1]:80")
        ('127.0.0.1', '[::1]')
    """
    return re.sub(r":\d*$", "", host.lower())


def _cookie_name(scope: Scope) -> str:
    server = scope.get("server") or ("", 0)
    return f"steepest_play_{server[1]}"


async def _answer(scope: Scope, send: Send, status: int, content: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = {**HEADERS, "content-type": "text/html; charset=utf-8", "content-length": str(len(content))}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
