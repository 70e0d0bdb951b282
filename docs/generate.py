"""Writes the parts of docs/ that repeat the code: options, exit codes, strategies, settings, the default space.

python docs/generate.py           writes the pages
python docs/generate.py --check   exits with 1 and names the pages that are out of date

The text of a page between `<!-- generated: NAME -->` and `<!-- end -->` is replaced.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from evonas.cli.app import app
from evonas.cli.exit_codes import ExitCode
from evonas.config import Budget, Settings
from evonas.strategies import STRATEGIES
from genomes.dense import DenseSpace
from genomes.encodings import space_to_toml
from genomes.staged import ConvolutionalSpace, SequenceSpace, StagedSpace

PAGES = (*Path(__file__).parent.glob("*.md"), Path(__file__).parents[1] / "README.md")


def strategies() -> str:
    """The table of strategies."""
    rows = [(f"`{name}`", row.description, row.source) for name, row in STRATEGIES.items()]
    return table(("name", "what", "source"), rows)


def exit_codes() -> str:
    """The table of exit codes."""
    return table(("exit code", "meaning"), [(str(int(code)), code.meaning) for code in ExitCode])


def default_space() -> str:
    """The default search space of tables as TOML."""
    return f"```toml\n{space_to_toml(DenseSpace()).strip()}\n```"


def staged_space(space: StagedSpace) -> str:
    """The default search space of another encoding as TOML, without the heading."""
    text = space_to_toml(space).strip()
    return f"```toml\n{text[text.index('encoding') :]}\n```"


def settings() -> str:
    """The table of settings."""
    return fields_table(Settings)


def budget() -> str:
    """The table of budgets."""
    return fields_table(Budget)


def commands() -> str:
    """Each command with its help and a table of its options."""
    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        usage = " ".join([f"evonas {name}", *(each.metavar or each.name for each in arguments), "[OPTIONS]"])
        rows = [(option_names(each), clean(each.help or "")) for each in command.params if each not in arguments]
        for each in arguments:
            rows.insert(0, (f"`{each.metavar or each.name}`", clean(each.help or "")))
        parts.append(
            "\n\n".join([f"### {name}", clean(command.help), f"`{usage}`", table(("option", "meaning"), rows)])
        )
    return "\n\n".join(parts)


GENERATED: dict[str, Callable[[], str]] = {
    "strategies": strategies,
    "exit-codes": exit_codes,
    "default-space": default_space,
    "convolutional-space": lambda: staged_space(ConvolutionalSpace()),
    "sequence-space": lambda: staged_space(SequenceSpace()),
    "settings": settings,
    "budget": budget,
    "commands": commands,
}


def fields_table(model: type[Settings] | type[Budget]) -> str:
    """Name, default, range and description of every field of a frozen model."""
    rows = []
    for name, field in model.model_fields.items():
        default = "none" if field.default is None else field.default
        rows.append((f"`{name}`", f"`{default}`", bounds(field.metadata, field.annotation), field.description or ""))
    return table(("name", "default", "range", "meaning"), rows)


def bounds(metadata: Iterable[Any], annotation: Any) -> str:
    """The range of a field, or its options."""
    found = {name: getattr(each, name) for each in metadata for name in ("ge", "gt", "le", "lt") if hasattr(each, name)}
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    if words := re.findall(r"'(\w+)'", str(annotation) if "Literal" in str(annotation) else ""):
        return ", ".join(words)
    return ", ".join(f"{sign} {found[name]:,}" for name, sign in signs.items() if name in found)


def option_names(option: Any) -> str:
    """An option's names and the name of its value."""
    names = "/".join([*option.opts, *option.secondary_opts])
    return f"`{names}`" if option.is_flag else f"`{names} {option.metavar or ''}`".replace(" `", "`")


def clean(text: str) -> str:
    """Help text as one paragraph."""
    return " ".join(text.split())


def table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [heading, ("---",) * len(heading), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return (
        "\n".join("| " + " | ".join(line) + " |" for line in lines)
        .replace("| --- |", "|---|")
        .replace(" --- |", "---|")
    )


def current(page: str) -> str:
    """The page with its generated parts updated."""

    def replaced(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n\n{GENERATED[match[1]]()}\n\n<!-- end -->"

    return re.sub(r"<!-- generated: ([\w-]+) -->\n.*?<!-- end -->", replaced, page, flags=re.DOTALL)


def main(check: bool) -> int:
    """Writes the pages, or prints those that are out of date."""
    stale = [path for path in sorted(PAGES) if current(path.read_text("utf-8")) != path.read_text("utf-8")]
    for path in stale:
        if not check:
            path.write_text(current(path.read_text("utf-8")), "utf-8")
        print(f"{'out of date' if check else 'written'}: {path.name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
