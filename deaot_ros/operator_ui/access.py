"""Who may talk to the server: the token, the page's origin, the name it was called by."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "deaot_operator"
_LOCAL_NAMES = {"localhost"}

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the first address holds the token
    "Cache-Control": "no-cache",
}


def is_local(host: str) -> bool:
    """Whether an address, or name, is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES


def _address(url: str) -> tuple[str, str]:
    """Host with port, and host without, of an address; both empty where it is none."""
    try:
        parts = urlsplit(url)
        return parts.netloc, parts.hostname or ""
    except ValueError:
        return "", ""


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of one server. ``token`` empty: whoever is on this machine may.

    A page of another web site that is open in the same browser could reach this server, too: its
    origin gives it away, and where it renamed this machine (DNS rebinding), the name does.
    """

    token: str

    @classmethod
    def for_host(cls, host: str, token: str | None) -> Access:
        """Rule for a server bound to ``host``: beyond this machine there is always a token."""
        return cls(token or ("" if is_local(host) else secrets.token_urlsafe(18)))

    def refusal(self, request: web.Request) -> str:
        """Why a request is refused; empty: it is not."""
        if not self.token:
            _, name = _address(f"//{request.host}")
            if not is_local(name):
                return f"this server answers as localhost only, not as '{name}'"
            return ""
        given = request.query.get("token") or request.cookies.get(COOKIE, "")
        # Bytes of a header that are no UTF-8 come as surrogates.
        if hmac.compare_digest(given.encode(errors="surrogateescape"), self.token.encode()):
            return ""
        return "wrong or missing token; open the address that the server printed when it started"

    def foreign(self, request: web.Request) -> str:
        """Why a WebSocket is refused: its page came from elsewhere. Empty: it is not."""
        origin = request.headers.get("Origin", "")
        if _address(origin)[0] == request.host:
            return ""
        return f"the page came from '{origin}', not from this server"

    def middleware(self) -> Middleware:
        """Applies the rule to every request."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if reason := self.refusal(request):
                raise web.HTTPForbidden(text=f"{reason}\n", headers=_HEADERS)
            try:
                response = await handler(request)
            except web.HTTPException as error:
                error.headers.update(_HEADERS)
                raise
            if not response.prepared:
                response.headers.update(_HEADERS)
                if self.token and request.query.get("token"):
                    response.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
            return response

        return guard
