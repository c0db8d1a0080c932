"""The server of the pages. It only reads, and each answer forbids the browser to load anything from elsewhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from cip_assets.app.access import Doors, Log, Viewer
from cip_assets.app.files import content_of
from cip_assets.app.lake import Lake
from cip_assets.app.page import Ask, NotFoundError, Page, day_in
from cip_assets.app.pages import PAGES
from cip_assets.app.render import Templates, style
from cip_assets.config.errors import PlatformError
from cip_assets.config.hosts import is_local
from cip_assets.config.rules import Rules

A = TypeVar("A")

COOKIE = "cip_app"

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")

LOG_NAME = "look_ups.jsonl"

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer: no script at all, nothing from elsewhere, no frame, no copy in a cache."""

LARGEST_FORM = 4096
"""The bytes of a form that are read."""


@dataclass(frozen=True)
class Site:
    """The pages of a data folder, with who may see them."""

    lake: Lake
    rules: Rules
    doors: Doors
    templates: Templates
    log: Log

    @classmethod
    def of(cls, lake: Lake, rules: Rules, doors: Doors, dagster: str = "") -> "Site":
        menu = [page for page in PAGES if page.title]
        return cls(lake, rules, doors, Templates(menu, dagster), Log(lake.settings.app_home / LOG_NAME))

    def answer(
        self, page: Page, viewer: Viewer, client: str, given: Mapping[str, Sequence[str]]
    ) -> tuple[int, str]:
        """The status and the HTML of a page, or of what is wrong."""
        return self._answer(lambda ask: self.templates.page(page, ask), viewer, client, given)

    def file(
        self, viewer: Viewer, client: str, given: Mapping[str, Sequence[str]]
    ) -> tuple[int, str | bytes]:
        """The status and the content of an exported file of a day, or the HTML of what is wrong."""
        return self._answer(content_of, viewer, client, given)

    def _answer(
        self, make: Callable[[Ask], A], viewer: Viewer, client: str, given: Mapping[str, Sequence[str]]
    ) -> tuple[int, A | str]:
        try:
            day = self._day(next(iter(given.get("as_of", ())), ""))
            return 200, make(Ask(self.lake, self.rules, viewer, self.log, client, day, given))
        except NotFoundError as error:
            return 404, self.problem(viewer, str(error))
        except PlatformError as error:
            return 503, self.problem(viewer, str(error))

    def _day(self, chosen: str) -> date:
        """The chosen snapshot day, or else the newest one."""
        days = self.lake.days()
        day = day_in(chosen) if chosen else days[0]
        if day not in days:
            raise NotFoundError(f"No snapshot of {day} is stored. Compute it with: cip run --as-of {day}")
        return day

    def problem(self, viewer: Viewer | None, message: str) -> str:
        return self.templates.html("problem.html.jinja", message=message, viewer=viewer)


def application(site: Site, host: str) -> Starlette:
    """The web application.

    Args:
        site: the pages.
        host: the address that it listens on; if only this machine reaches it, other names of it are refused, so that
            a page from elsewhere cannot pass as one of this machine.

    """

    def endpoint(page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            viewer = _viewer(site.doors, request)
            if viewer is None:
                return HTMLResponse(site.templates.html("enter.html.jinja", wrong=False), 401)
            given = parse_qs(request.url.query, keep_blank_values=False)
            if request.method == "POST":
                given |= await _form(request)
            client = request.client.host if request.client else ""
            status, html = await run_in_threadpool(site.answer, page, viewer, client, given)
            return HTMLResponse(html, status)

        return answer

    async def enter(request: Request) -> Response:
        token = next(iter((await _form(request)).get("token", ())), "")
        cookie = site.doors.enter(token)
        if cookie is None:
            return HTMLResponse(site.templates.html("enter.html.jinja", wrong=True), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE, cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return answer

    async def leave(request: Request) -> Response:
        site.doors.leave(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def file(request: Request) -> Response:
        viewer = _viewer(site.doors, request)
        if viewer is None:
            return HTMLResponse(site.templates.html("enter.html.jinja", wrong=False), 401)
        given = parse_qs(request.url.query)
        client = request.client.host if request.client else ""
        status, content = await run_in_threadpool(site.file, viewer, client, given)
        if status != 200:
            return HTMLResponse(content, status)
        name = f"{given['name'][0]}.csv"
        attached = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="text/csv; charset=utf-8", headers=attached)

    async def styled(_: Request) -> Response:
        return PlainTextResponse(style(), media_type="text/css")

    async def unknown(request: Request, _: Exception) -> Response:
        return HTMLResponse(site.problem(_viewer(site.doors, request), "There is no such page."), 404)

    @asynccontextmanager
    async def indexed(_: Starlette) -> Any:
        site.lake.index.start()
        yield
        site.lake.index.stop()

    hosts = [*LOCAL_NAMES] if is_local(host) else ["*"]
    pages = [
        Route(page.path, endpoint(page), methods=["GET", "POST"] if page.path == "/" else ["GET"])
        for page in PAGES
    ]
    return Starlette(
        routes=[
            *pages,
            Route("/enter", enter, methods=["POST"]),
            Route("/leave", leave, methods=["POST"]),
            Route("/file", file),
            Route("/style.css", styled),
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        exception_handlers={404: unknown, Exception: _failed},
        lifespan=indexed,
    )


async def _failed(_: Request, __: Exception) -> Response:
    """Starlette's own answer to an error of ours, with our headers. The server logs the error."""
    return PlainTextResponse("Internal Server Error", 500, HEADERS)


def _viewer(doors: Doors, request: Request) -> Viewer | None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return doors.viewer(request.cookies.get(COOKIE, ""), bearer)


async def _form(request: Request) -> dict[str, list[str]]:
    """The fields of a form; none if it is larger than any of ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            return {}
    return parse_qs(body.decode(errors="replace"))


class _Headers:
    """Puts ``HEADERS`` on every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self._app(scope, receive, with_headers)
