"""The dashboard as a browser sees it: pages only for those with the token, refreshed when a run changes."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from evonas.cli.dashboard import _listening
from evonas.config import Budget
from evonas.reporting.dashboard import Pages, make_app
from evonas.runs.store import RunStore
from genomes.errors import InputError
from tests.reporting.synthetic import HOSTILE, synthetic_run

uvicorn = pytest.importorskip("uvicorn")
TOKEN = "a token of this test"


class Browser:
    """Sends requests to the server, with a cookie once it has one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        try:
            with self.opener.open(urllib.request.Request(self.address + path, headers=headers), timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    synthetic_run(folder / "first", hostile=True)
    synthetic_run(folder / "a b&c", 20, finish=False)
    synthetic_run(folder / os.fsdecode(b"caf\xe9"), 20, finish=False)
    (folder / "notes").mkdir()
    (folder / "secret.txt").write_text("nobody's business")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    app = make_app(Pages(folder, patience_seconds=60.0), TOKEN)
    with closing(_listening(0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def token() -> str:
    return "/?token=" + TOKEN.replace(" ", "%20")


def test_nothing_is_shown_without_the_token(address: str) -> None:
    browser = Browser(address)
    for path in ("/", "/state", "/run/first", "/report/first", "/state/first", "/?token=another"):
        code, text = browser.get(path)
        assert code == 403
        assert "networks" not in text
    assert browser.get(token(), Host="evil.example")[0] == 400


def test_runs_are_listed_and_each_has_a_live_report(address: str, folder: Path) -> None:
    browser = Browser(address)
    code, text = browser.get(token())
    assert code == 200
    assert TOKEN not in text
    assert ">first</a>" in text
    assert ">a b&amp;c</a>" in text
    assert "notes" not in text
    assert HOSTILE not in text
    code, text = browser.get("/run/a%20b%26c")
    assert code == 200
    assert 'src="/report/a%20b%26c"' in text
    assert "killed: 20 networks in 1 generation, " in text
    assert browser.get("/run/caf%E9")[0] == browser.get("/state/caf%EF%BF%BD")[0] == 200
    assert 'href="/run/caf%EF%BF%BD"' in browser.get("/")[1]
    code, text = browser.get("/report/first")
    assert code == 200
    assert "All networks" in text
    assert HOSTILE not in text
    state = json.loads(browser.get("/state/first")[1])
    assert state["text"].startswith("done (evaluations): 60 networks")


def test_dashboards_side_by_side_have_a_cookie_each(address: str) -> None:
    browser = Browser(address)
    browser.get(token())
    (cookie,) = browser.cookies
    assert cookie.name.endswith(f"_{address.rpartition(':')[2]}")
    assert cookie.has_nonstandard_attr("HttpOnly")


def test_only_runs_of_the_folder_are_shown(address: str) -> None:
    browser = Browser(address)
    browser.get(token())
    for name in ("notes", "secret.txt", "..", "%2e%2e", "..%2fruns%2ffirst", "none"):
        code, text = browser.get(f"/run/{name}")
        assert code == 404 or (code == 200 and "evonas runs" in text)
        assert "business" not in text


def test_a_changed_run_has_a_new_version(tmp_path: Path) -> None:
    synthetic_run(tmp_path / "run", 20, finish=False)
    pages = Pages(tmp_path / "run", patience_seconds=60.0)  # a busy machine may take long
    assert pages.single == "run"
    before, page = pages.state("run"), pages.report("run")
    assert pages.report("run") is page
    with RunStore.open(tmp_path / "run") as store:
        store.begin_session(Budget(evaluations=30))
        store.end_session("interrupted", 3.0)
    assert pages.state("run")["version"] != before["version"]
    pages._made["run"].at -= 3600
    assert pages.report("run") is not page


def test_anything_but_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run or a folder with runs"):
        Pages(tmp_path / "gone")
    with closing(_listening(0)) as taken, pytest.raises(InputError, match="port must be free"):
        _listening(taken.getsockname()[1])


def test_slow_reports_are_announced_and_failures_reported(folder: Path, monkeypatch: pytest.MonkeyPatch):
    going = threading.Event()
    monkeypatch.setattr(Pages, "_current", lambda pages, name: going.wait(30) and "made")
    pages = Pages(folder, patience_seconds=0.01)
    waiting = pages.report("first")
    assert "The report is being made" in waiting
    assert 'http-equiv="refresh"' in waiting
    going.set()
    pages._made["first"].first.result(10.0)  # type: ignore[union-attr]
    assert pages.report("first") == "made"

    def fails(pages: Pages, name: str) -> str:
        raise InputError("run must be readable")

    monkeypatch.setattr(Pages, "_current", fails)
    with pytest.raises(InputError, match="must be readable"):
        Pages(folder, patience_seconds=10.0).report("first")
