"""The web server of the room: takes its address, joins the pages, and serves until it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.web import texts
from adapters.web.api import add_api
from adapters.web.gate import Gate
from adapters.web.pages import HERE, Pages, page_routes
from adapters.web.settings import WebSettings
from adapters.web.site import Site
from bot.errors import UsageError
from bot.loading import nothing_collected
from bot.texts import Text

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 3
START_LOOKED_AT_EVERY_S = 0.02
STATIC = HERE / "static"
CONSOLES = ("/console/zh", "/console/en")


class _Server(uvicorn.Server):
    """uvicorn's server without its hold on the process's signals: they are the app's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """``folder``: where Gradio may keep uploads until they are sent."""

    def __init__(self, settings: WebSettings, folder: Path) -> None:
        if not settings.is_local and not settings.password.get_secret_value():
            raise UsageError(
                f"The web room would be open to everyone who reaches {settings.host}: set MAODOU_WEB_PASSWORD "
                "in .env, or leave `web.host` at 127.0.0.1."
            )
        self._settings = settings
        self._folder = folder
        self._socket: socket.socket | None = None
        self._port = settings.port
        self.serving = False

    def bind(self) -> None:
        """Take the address, once. Raises ``UsageError`` when that cannot be."""
        if self._socket is not None:
            return
        host, port = self._settings.host, self._settings.port
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            taken = socket.socket(family, kind, protocol)
            try:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(address)
                taken.listen()  # only now is the address refused to others
            except OSError:
                taken.close()
                raise
        except OSError as error:
            raise UsageError(_cannot_bind(host, port, error)) from error
        self._port = taken.getsockname()[1]
        self._socket = taken

    def release(self) -> None:
        """Give the address back; for whoever only wanted to know whether it is free."""
        if self._socket is not None and not self.serving:
            self._socket.close()
            self._socket = None

    @property
    def url(self) -> str:
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self._settings.host, self._settings.host)
        return f"http://{host}:{self._port}"

    async def serve(self, site: Site) -> None:
        """Serve until cancelled; pages' streams are ended first, so that stopping takes moments."""
        self.bind()
        assert self._socket is not None
        app = await asyncio.to_thread(make_app, site, self._folder)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=1
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 – uvicorn has no event for it
                await asyncio.sleep(START_LOOKED_AT_EVERY_S)
            self.serving = server.started
            log.info("web.serving", url=self.url)
            await asyncio.shield(serving)
            raise RuntimeError("the web server ended by itself")
        finally:
            self.serving = False
            self._socket = None  # uvicorn closes it
            site.room.live.close()
            server.should_exit = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(serving, STOP_WITHIN_S)


def _cannot_bind(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use, perhaps by another Maodou: stop that program, or set another `web.port`."
        )
    return f"The web room cannot listen on {host}, port {port}: {error.strerror or error}."


def uploads_in(folder: Path) -> Path:
    """Where Gradio keeps what browsers upload, until it is sent or a day old."""
    return (folder / "uploads").resolve()


def make_app(site: Site, folder: Path) -> FastAPI:
    """The whole site. Slow, because it imports Gradio: call it in a thread without a loop."""
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        # Else a table of all events is made with pandas after each of them, for a page that is not served.
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
        "GRADIO_ANALYTICS_MAX_EVENTS": "100",
        "GRADIO_TEMP_DIR": str(uploads_in(folder)),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    with nothing_collected():
        from adapters.web.look import made_apart

        return made_apart(lambda: _join(site, folder))


def _join(site: Site, folder: Path) -> FastAPI:
    from adapters.web.console_page import ConsoleDoor, Consoles
    from adapters.web.room_page import mount_room

    versions = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:10] for path in STATIC.iterdir()}
    pages = Pages(site, versions)
    consoles = Consoles(site, versions)
    app = FastAPI(lifespan=lambda app: _closing(consoles.close), docs_url=None, redoc_url=None, openapi_url=None)
    add_api(app, site)
    app.include_router(page_routes(site, pages))
    app.mount("/static", StaticFiles(directory=STATIC))
    _add_icons(app)
    mount_room(app, site, versions, uploads_in(folder))
    app.add_middleware(ConsoleDoor, consoles=consoles)
    app.add_middleware(Doors, site=site, pages=pages)
    app.add_middleware(Gate, hosts=_hosts(site.settings), public_host=urlsplit(site.settings.public_url).netloc)
    return app


@contextlib.asynccontextmanager
async def _closing(close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    yield
    await close()


def _add_icons(app: FastAPI) -> None:
    @app.get("/favicon.ico")
    async def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @app.get("/manifest.json")
    async def manifest() -> Response:
        return FileResponse(STATIC / "manifest.json", media_type="application/manifest+json")


class Doors:
    """ASGI middleware: sends strangers to the page for them. What is behind the doors checks again by itself."""

    def __init__(self, app: ASGIApp, site: Site, pages: Pages) -> None:
        self.app = app
        self._site = site
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (answer or self.app)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        path = request.url.path.rstrip("/")
        if path == "/room" or _is_inside(path, "/room"):
            if await self._site.member(request) is not None:
                return None
            return (
                RedirectResponse("/join", 303) if path == "/room" else self._refused(request, texts.NOT_A_MEMBER, 401)
            )
        if path.startswith("/console/") and not self._site.is_operator(request):
            inside = any(_is_inside(path, mount) for mount in CONSOLES)
            if inside or path in CONSOLES:
                return self._refused(request, texts.OPERATORS_ONLY, 401 if inside else 403)
        return None

    def _refused(self, request: Request, text: Text, status: int) -> Response:
        return self._pages.notice(request, text.in_language(self._site.language(request)), status)


def _is_inside(path: str, mount: str) -> bool:
    """Whether a path below a Gradio page is more than the library's own script and style."""
    return path.startswith((f"{mount}/gradio_api/", f"{mount}/config", f"{mount}/file"))


def _hosts(settings: WebSettings) -> set[str] | None:
    if not settings.is_local:
        return None
    public = urlsplit(settings.public_url).hostname
    return {"127.0.0.1", "localhost", "::1", settings.host} | ({public} if public else set())
