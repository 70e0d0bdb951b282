"""`evonas dashboard`: reports as live pages."""

from __future__ import annotations

import secrets
import socket
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import option
from genomes.errors import InputError

__all__ = ["dashboard"]


def dashboard(
    place: Annotated[
        Path,
        typer.Argument(metavar="DIR|FOLDER", help="A run, or a folder with runs [evonas-runs].", show_default=False),
    ] = Path("evonas-runs"),
    port: Annotated[int, option("Local port to listen on; 0 for a free one [0].", "N")] = 0,
) -> None:
    """Show live reports of runs in a browser.

    The server listens on this machine only, changes nothing, and requires the token in the printed address. Stop it
    with Ctrl-C.
    """
    from evonas.reporting.dashboard import Pages, make_app
    from evonas.reporting.page import check_plotly

    if not 0 <= port <= 65535:
        raise InputError(f"port must be from 0 to 65535, not {port}: choose another")
    pages = Pages(place)
    check_plotly()
    try:
        import uvicorn

        token = secrets.token_urlsafe(24)
        app = make_app(pages, token)
    except ImportError as error:
        raise InputError(
            f"starlette and uvicorn must be installed for the dashboard ({error}): pip install 'evonas[dashboard]'"
        ) from None
    with closing(_listening(port)) as listening:
        typer.echo(f"Dashboard: http://127.0.0.1:{listening.getsockname()[1]}/?token={token}")
        typer.echo("Press Ctrl-C to stop it.")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        server.run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    """Opens a socket on the loopback interface.

    Raises:
        InputError: the port is taken, or not allowed.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError as error:
        made.close()
        raise InputError(f"port must be free, but {port} is not ({error.strerror}): choose another, or 0") from None
    return made
