"""Layout of command help: options in groups, and an example at the end.

Options are grouped by name, consistently across commands; ungrouped ones come first. Plain text, since loading rich
would take longer than many commands.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from textwrap import shorten
from types import MappingProxyType
from typing import Any

from typer.core import TyperCommand

__all__ = ["EXAMPLES", "GROUPS", "GroupedCommand"]

#: Title -> options of that group, in the order of the groups.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Stop": ("generations", "evaluations", "time", "target_score"),
        "Data": (
            *("task", "validation", "test", "group", "time_column", "series", "series_id", "split", "drop"),
            *("numeric", "boolean", "categorical", "date", "text", "image_size", "grayscale", "numbers"),
        ),
        "File format": (
            *("separator", "encoding", "decimal", "thousands", "skip_rows", "comment", "missing", "date_order"),
        ),
        "Search": (
            *(
                "architecture",
                "neighbours",
                "space",
                "mutation",
                "build",
                "strategy",
                "population",
                "warm_start",
                "transfer",
                "no_known_defaults",
            ),
            *("inherit", "repair", "rungs", "reduced_rungs", "asynchronous", "window", "seed"),
        ),
        "Objective and limits": (
            *("objective", "objectives", "quantiles", "max_parameters", "max_flops", "max_latency_ms"),
        ),
        "Training": (
            *("trainer", "epochs", "epoch_rows", "patience", "cv", "replicates", "finalists", "threads"),
            *("candidate_timeout", "worker_memory"),
        ),
        "Final model": ("average", "all_rows", "ensemble", "calibrate"),
        "Execution": ("execution", "workers", "devices", "address"),
        "Trackers": ("tensorboard", "mlflow", "wandb"),
        "Output": ("out", "overwrite", "output", "no_report", "quiet", "as_json", "as_csv", "format"),
    }
)

#: Command -> example.
EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "run": "evonas run houses.csv --target price --time 10m",
        "resume": "evonas resume evonas-runs/20250101-120000 --generations +10",
        "join": "evonas join /mnt/runs/20250101-120000",
        "status": "evonas status evonas-runs/20250101-120000 --json",
        "report": "evonas report evonas-runs/20250101-120000 --boosting",
        "ls": "evonas ls --json",
        "show": "evonas show evonas-runs/20250101-120000 17",
        "predict": "evonas predict evonas-runs/20250101-120000 new.csv -o predicted.csv",
        "evaluate": "evonas evaluate evonas-runs/20250101-120000 labelled.csv",
        "compare": "evonas compare runs/ga-1 runs/ga-2 runs/random-1 -o compared.html",
        "dashboard": "evonas dashboard evonas-runs",
        "watch": "evonas watch evonas-runs/20250101-120000",
        "export": "evonas export evonas-runs/20250101-120000 -o best.keras --rank 1",
        "build": "evonas build best.keras.card.json -o untrained.keras",
        "inspect": "evonas inspect houses.csv --target price",
        "finalists": "evonas finalists evonas-runs/20250101-120000 --top 5 --seeds 5",
        "lr-find": "evonas lr-find houses.csv --target price -o curve.html",
        "space": "evonas space > space.toml",
    }
)
#: Commands that enable garbage collection themselves when their search begins.
_ENABLE_THEMSELVES = ("run", "resume")
#: Fewer options than this need no groups.
_FEWEST = 8
#: Maximum number of characters of an option's description in a shell.
_LONGEST_HINT = 70


class GroupedCommand(TyperCommand):
    """A command whose help shows options in groups, and an example."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command, after enabling garbage collection unless the command does so later; see
        `evonas.__main__`.
        """
        if ctx.info_name not in _ENABLE_THEMSELVES:
            gc.enable()
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, then options by group; a single group if there are few."""
        options = [each for each in self.get_params(ctx) if each.param_type_name == "option"]
        few = len(options) < _FEWEST
        titles = {} if few else {name: title for title, names in GROUPS.items() for name in names}
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], **{title: [] for title in GROUPS}}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is None:
                continue
            if each.param_type_name == "option":
                sections[titles.get(each.name or "", "Options")].append(record)
            else:  # without the Python type
                sections["Arguments"].append((_argument_word(each), record[1]))
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Options that begin with the text, with a short description each.

        Defaults are shown in brackets, whose content shells would lose: typer interprets it as markup.
        """
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            if item.help:
                item.help = shorten(item.help.partition(" [")[0].rstrip("."), _LONGEST_HINT, placeholder=" ...")
        return found

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage after the command's name: `[OPTIONS] DIR...`."""
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return [
            "[OPTIONS]",
            *(_argument_word(each) if each.required else f"[{_argument_word(each)}]" for each in arguments),
        ]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The example of the command."""
        example = EXAMPLES.get(ctx.info_name or "")
        if example:
            with formatter.section("Example"):
                formatter.write_text(example)


def _argument_word(argument: Any) -> str:
    """The name of an argument, with dots if several may be given."""
    return f"{argument.metavar or argument.name}{'...' * (argument.nargs == -1)}"
