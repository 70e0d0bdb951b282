"""The dashboard: a small web server with live reports of one run, or of all runs in a folder.

Read-only, and protected by a token, which is part of the first address and then stored in a cookie. Requests for host
names other than this machine are rejected (DNS rebinding). A report is regenerated when its run has changed, but at
intervals of at least a multiple of the time that it takes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.display.in_training import training_lines
from evonas.display.scores import clock, format_score
from evonas.io.printable import printable
from evonas.reporting.listing import list_runs, run_row
from evonas.runs.directory import is_run
from evonas.runs.in_training import read_in_training
from genomes.errors import InputError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["COOKIE", "Pages", "make_app"]

#: Prefix of the name of the cookie that holds the token; the port follows.
COOKIE = "evonas_token"
#: Minimum interval between reports: as a multiple of their duration, and in seconds.
_PAUSE, _LEAST_SECONDS = 4.0, 2.0
_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_COUNTED = (("trained", "network"), ("generations", "generation"))
_COLUMNS = ("state", "objective", "score", "trained", "failed", "generations", "seconds", "strategy", "data", "target")


@dataclass
class _CachedReport:
    """A report, the version of its run, the time when it was made, and how long that took."""

    version: str = ""
    page: str = ""
    at: float = 0.0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    first: Future[str] | None = None


class Pages:
    """The pages of the dashboard for a run directory, or for a folder of run directories."""

    def __init__(self, place: Path, patience_seconds: float = 0.5) -> None:
        """Checks the path; reads no runs yet.

        Args:
            place: a run directory, or a folder of run directories.
            patience_seconds: how long a browser waits for the first report of a run before it gets a waiting page.

        Raises:
            InputError: the path is neither.
        """
        if not is_run(place) and not place.is_dir():
            raise InputError(
                f"dashboard must be given a run or a folder with runs, but {place} is neither: check the path"
            )
        self._place, self._single = place, is_run(place)
        self._patience = patience_seconds
        self._made: dict[str, _CachedReport] = {}
        self._starting = threading.Lock()

    @property
    def single(self) -> str | None:
        """The name of the single run; None for a folder."""
        return _name(self._place.name) if self._single else None

    def run(self, name: str) -> Path:
        """The directory of a run. Raises InputError if there is no such run."""
        if self._single:
            found = self._place if name == _name(self._place.name) else None
        else:
            paths = self._place.iterdir() if self._place.is_dir() else ()
            found = next((path for path in paths if _name(path.name) == name and is_run(path)), None)
        if found is None:
            raise InputError(f"run must be one of {self._place}, not {name!r}: go back to the list")
        return found

    def state(self, name: str | None) -> dict[str, Any]:
        """The state that a page polls every few seconds: version, status text, and when to poll again.

        Args:
            name: name of a run; None for the list.
        """
        if name is None:
            rows = list_runs(self._place)
            running = sum(row["state"] == "running" for row in rows)
            words = f"{len(rows)} run{'s' * (len(rows) != 1)}, {running} of them searching"
            return {"version": _version(*rows), "text": words, "training": "", "wait": 5.0}
        directory = self.run(name)
        row = run_row(directory)
        made = self._made.get(name, _CachedReport())
        text = _state(row)
        if "trained" in row:
            networks, generations = (f"{row[name]:,} {what}{'s' * (row[name] != 1)}" for name, what in _COUNTED)
            text += f": {networks} in {generations}, {clock(row['seconds'])}"
        if row.get("score") is not None:
            text += f"; best {printable(row['objective'])} {format_score(row['score'])}"
        training = "\n".join(training_lines(read_in_training(directory))) if row["state"] == "running" else ""
        wait = max(_LEAST_SECONDS, _PAUSE * made.seconds)
        return {"version": _version(row), "text": text, "training": training, "wait": wait}

    def report(self, name: str) -> str:
        """The current or a recent report of a run; before the first one is ready, a waiting page.

        Raises:
            InputError: the run does not exist or cannot be read.
        """
        self.run(name)
        made = self._made.setdefault(name, _CachedReport())
        if made.page:
            return self._current(name)
        with self._starting:
            if made.first is None:
                made.first = Future()
                threading.Thread(target=self._make_first, args=(name, made.first), daemon=True).start()
            first = made.first
        try:
            page = first.result(self._patience)
        except TimeoutError:
            return _WAITING
        except InputError:
            made.first = None  # the next request retries
            raise
        return made.page or page

    def _make_first(self, name: str, first: Future[str]) -> None:
        try:
            first.set_result(self._current(name))
        except BaseException as error:
            first.set_exception(error)

    def _current(self, name: str) -> str:
        from evonas.reporting.page import html_page
        from evonas.reporting.report import make_report
        from evonas.reporting.rundata import read_run

        directory, made = self.run(name), self._made[name]
        with made.lock:
            version, began = _version(run_row(directory)), time.monotonic()
            recent = began - made.at < max(_LEAST_SECONDS, _PAUSE * made.seconds)
            if made.page and (version == made.version or recent):
                return made.page
            run = read_run(directory)
            made.page = html_page(run, make_report(run, quick=True))
            made.version, made.at = version, time.monotonic()
            made.seconds = made.at - began
            return made.page

    def shell(self, name: str) -> str:
        """The page around a report."""
        back = "" if self._single else '<a href="/">All runs</a>'
        title = f"{html.escape(printable(name))}"
        body = f'<iframe id="report" src="/report/{_quote(name)}" title="Report of {title}"></iframe>'
        return _page(title, back, body, f"/state/{_quote(name)}", self.state(name))

    def index(self) -> str:
        """The list of runs."""
        rows = "".join(
            f'<tr><th scope="row"><a href="/run/{_quote(row["run"])}">{html.escape(printable(row["run"]))}</a></th>'
            + "".join(f"<td{_class(column)}>{html.escape(_cell(column, row))}</td>" for column in _COLUMNS)
            + "</tr>"
            for row in list_runs(self._place)
        )
        head = "".join(f'<th scope="col">{name}</th>' for name in ("run", *_COLUMNS))
        body = f"<main><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></main>"
        return _page("evonas runs", "", body, "/state", self.state(None))


#: Page shown while the first report is being made; reloads every second.
_WAITING = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">'
    '<meta name="color-scheme" content="light dark"><title>The report is being made</title></head>'
    '<body style="font:16px system-ui;padding:2rem"><p role="status">The report is being made; a large run takes '
    "a few seconds. It appears here as soon as it is ready.</p></body></html>\n"
)


def make_app(pages: Pages, token: str) -> Starlette:
    """The web application.

    Args:
        pages: pages to serve.
        token: token that a request must have, in its address or its cookie.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
    from starlette.routing import Route

    def answer(make: Callable[..., Any], kind: Callable[..., Response]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            given = request.query_params.get("token")
            # Browsers send a host's cookies to all of its ports, so concurrent dashboards need separate cookies.
            cookie = f"{COOKIE}_{(request.scope.get('server') or ('', 0))[1]}"
            if not _same(given or request.cookies.get(cookie, ""), token):
                return PlainTextResponse("Open the address with its token that evonas dashboard printed.", 403)
            if given is not None:  # removes the token from the address in the browser's history
                response: Response = RedirectResponse(request.url.path, 303)
                response.set_cookie(cookie, token, httponly=True, samesite="strict")
                return response
            try:
                return kind(await run_in_threadpool(make, **request.path_params), headers=_HEADERS)
            except InputError as error:
                return PlainTextResponse(printable(str(error)), 404)

        return respond

    def first_page() -> str:
        return pages.index() if pages.single is None else pages.shell(pages.single)

    routes = [
        Route("/", answer(first_page, HTMLResponse)),
        Route("/state", answer(lambda: pages.state(None), JSONResponse)),
        Route("/run/{name}", answer(pages.shell, HTMLResponse)),
        Route("/report/{name}", answer(pages.report, HTMLResponse)),
        Route("/state/{name}", answer(pages.state, JSONResponse)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)])


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _version(*rows: dict[str, Any]) -> str:
    """A value that changes when the runs change."""
    names = ("run", "state", "trained", "failed", "generations", "score")
    return hashlib.sha256(repr([[row.get(name) for name in names] for row in rows]).encode()).hexdigest()[:16]


def _page(title: str, links: str, body: str, state: str, now: dict[str, Any]) -> str:
    style, script = _asset("dashboard.css"), _asset("dashboard.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "frame-src 'self'; img-src data:"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">'
        f"<title>{title} - evonas</title><style>{style}</style></head>\n"
        f'<body data-state="{state}" data-version="{now["version"]}"><header><h1>{title}</h1>{links}'
        f'<p id="state" role="status">{html.escape(now["text"])}</p>'
        f'<p id="training" aria-label="In training now">{html.escape(now["training"])}</p></header>{body}'
        f"<script>{script}</script></body></html>\n"
    )


def _name(name: str) -> str:
    """The name of a directory for an address, with replacement characters for bytes that are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _quote(name: str) -> str:
    from urllib.parse import quote

    return html.escape(quote(_name(name), safe=""))


def _cell(column: str, row: dict[str, Any]) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if column in ("state", "seconds"):
        return _state(row) if column == "state" else clock(value)
    return format_score(value) if isinstance(value, float) else printable(str(value))


def _class(column: str) -> str:
    """The CSS class of a column: long text may wrap, everything else is on one line."""
    return ' class="long"' if column in ("state", "data", "target") else ""


def _state(row: dict[str, Any]) -> str:
    """The state of a run; for a finished run, `list_runs` provides the reason."""
    state = printable(row["state"])
    return (
        "searching" if state == "running" else state if state == "killed" or "trained" not in row else f"done ({state})"
    )


def _asset(name: str) -> str:
    return files("evonas.reporting").joinpath("assets", name).read_text(encoding="utf-8")
