"""The command line, `evonas COMMAND`. Not imported by other modules.

Exit codes: 0 success, 1 failure, 2 user error, 74 disk error, 130 and 143 Ctrl-C and SIGTERM. Heavy packages (pandas,
rich) are imported by the commands that need them, so that `--help` is fast.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evonas import __version__
from evonas.cli.build import build
from evonas.cli.compare import compare
from evonas.cli.dashboard import dashboard
from evonas.cli.evaluate import evaluate
from evonas.cli.exit_codes import ExitCode
from evonas.cli.export import export
from evonas.cli.finalists import finalists
from evonas.cli.help_format import GroupedCommand
from evonas.cli.inspect import inspect
from evonas.cli.join import join
from evonas.cli.lr_find import lr_find
from evonas.cli.ls import ls
from evonas.cli.options import ARCHITECTURES, AsJson, RunDir, option
from evonas.cli.predict import predict
from evonas.cli.report import report
from evonas.cli.resume import resume
from evonas.cli.run import run
from evonas.cli.show import show
from evonas.cli.watch import watch
from evonas.errors import Interrupted, StorageError, WorkerError, is_interruption
from evonas.io.printable import printable
from evonas.machine import process_started
from genomes.errors import InputError

__all__ = ["app", "main", "script"]


class _Commands(TyperGroup):
    """Converts exceptions in a command into a message and an exit code."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """`evonas run --join DIR` is `evonas join DIR`: joining needs neither data nor settings."""
        if args[:1] == ["run"] and any(each == "--join" or each.startswith("--join=") for each in args):
            args = ["join", *(each.removeprefix("--join=") for each in args[1:] if each != "--join")]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        from evonas.io.console import say

        try:
            return super().invoke(ctx)
        except Interrupted as stop:
            code = stop.exit_code
        except InputError as error:
            code = ExitCode.MISTAKE
            typer.echo(f"Error: {printable(error)}", err=True)
        except BrokenPipeError:
            raise
        except StorageError as error:
            code = ExitCode.STORAGE
            typer.echo(f"Error: {printable(error)}", err=True)
        except (WorkerError, OSError) as error:
            code = ExitCode.FAILED
            say(f"Error: {error}", sys.stderr)
        except BaseException as error:
            if not is_interruption(error):
                raise
            code = ExitCode.INTERRUPTED
            typer.echo("\nStopped.", err=True)
        raise typer.Exit(code)


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """The command line of this process."""
    from evonas.io.console import flush_streams, steady_streams

    steady_streams()
    try:
        app(prog_name="evonas", obj=process_started())
    except SystemExit as end:
        if not flush_streams() and not end.code:
            raise SystemExit(1) from None
        raise


def script() -> None:
    """The console script. Exits without shutting down libraries, which takes longer than many commands."""
    try:
        main()
    except SystemExit as end:
        code = 0 if end.code is None else end.code
        if isinstance(code, int):
            os._exit(code)
        raise


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"evonas {__version__}")
        raise typer.Exit


@app.callback()
def evonas(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Evolve neural networks for a table, and get the best one as a Keras model.

    evonas run houses.csv --target price --time 10m
    """


app.command("run", cls=GroupedCommand)(run)
app.command("resume", cls=GroupedCommand)(resume)
app.command("join", cls=GroupedCommand)(join)


@app.command(cls=GroupedCommand)
def status(run_dir: RunDir, as_json: AsJson = False) -> None:
    """Show the progress and results of a run."""
    from evonas.display import next_steps, summaries
    from evonas.runs.reader import RunReader

    with RunReader(run_dir) as run:
        if as_json:
            typer.echo(json.dumps(summaries.summary_values(run)))
        else:
            typer.echo("\n".join([*summaries.summary_lines(run), *next_steps.next_lines(run)]))


app.command("watch", cls=GroupedCommand)(watch)
app.command("dashboard", cls=GroupedCommand)(dashboard)
app.command("ls", cls=GroupedCommand)(ls)
app.command("show", cls=GroupedCommand)(show)
app.command("report", cls=GroupedCommand)(report)
app.command("compare", cls=GroupedCommand)(compare)
app.command("predict", cls=GroupedCommand)(predict)
app.command("evaluate", cls=GroupedCommand)(evaluate)
app.command("export", cls=GroupedCommand)(export)
app.command("build", cls=GroupedCommand)(build)
app.command("inspect", cls=GroupedCommand)(inspect)
app.command("finalists", cls=GroupedCommand)(finalists)
app.command("lr-find", cls=GroupedCommand)(lr_find)


@app.command(cls=GroupedCommand)
def space(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A space to check and print in full.")] = None,
    architecture: Annotated[
        str, option("Default space to print: dense, convolutional, sequence or text [dense].", "NAME")
    ] = "dense",
) -> None:
    """Print the default search space, or that of a file, as TOML.

    Edit the output and pass it to `evonas run --space`.
    """
    from genomes import SequenceSpace
    from genomes.encodings import ENCODINGS, read_space, space_to_toml
    from genomes.errors import InputError

    if architecture not in (*ARCHITECTURES, "text"):
        raise InputError(f"architecture must be one of {', '.join(ARCHITECTURES)}, text, not {architecture!r}: choose")
    networks: Any = ENCODINGS.get(architecture)
    default = SequenceSpace.for_text() if networks is None else networks()
    typer.echo(space_to_toml(default if file is None else read_space(file)), nl=False)
