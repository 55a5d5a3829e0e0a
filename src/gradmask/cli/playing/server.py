"""The server of the page: on this machine alone unless asked otherwise, and silent towards all others."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from typing import Any

import gradio as gr
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware

from gradmask.cli.playing.app import css, make_page, theme
from gradmask.errors import GradmaskError
from gradmask.lab.play.stage import Stage

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 7860
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
"""A browser that obeys it asks no other host for anything, whatever Gradio's page contains."""


class OwnHostOnly:
    """Adds `POLICY` to every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def answered(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self.app(scope, receive, answered)


def make_app(stage: Stage, host: str = LOOPBACK[0], port: int = PORT) -> Any:
    """The ASGI application. On the loopback it answers requests to the loopback's names alone (no DNS rebinding)."""
    app = Starlette()
    page = make_page(stage).queue(api_open=False)
    mounted = gr.mount_gradio_app(
        app, page, "/", server_name=host, server_port=port, theme=theme(), css=css(), show_error=False, ssr_mode=False,
        footer_links=[], enable_monitoring=False, mcp_server=False, pwa=False,
    )  # fmt: skip
    mounted.add_middleware(OwnHostOnly)
    if host in LOOPBACK:
        mounted.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    return mounted


def bound(host: str, port: int | None) -> socket.socket:
    """A socket at the port; without one, at `PORT` or, where that is taken, at any that is free.

    Raises:
        GradmaskError: the port is taken, or the host is not this machine's.
    """
    reason = ""
    for wanted in (PORT, 0) if port is None else (port,):
        opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, wanted))
        except OSError as error:
            opened.close()
            reason = error.strerror or str(error)
        else:
            return opened
    raise GradmaskError(f"cannot listen at {host}, port {port}: {reason}. Give another --port, or leave it out")


class Server(uvicorn.Server):
    """Calls ``ready`` once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


def serve(stage: Stage, host: str, port: int | None, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page until a signal comes.

    Raises:
        GradmaskError: see `bound`.
    """
    opened = bound(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{opened.getsockname()[1]}"

    def ready() -> None:
        say(address)
        if open_browser:
            webbrowser.open(address)

    app = make_app(stage, host, opened.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    Server(config, ready).run(sockets=[opened])
