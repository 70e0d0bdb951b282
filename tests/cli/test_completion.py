"""Shell completion."""

from __future__ import annotations

import click
import pytest
import typer
from typer.completion import get_completion_script

from evonas.cli.app import app


def test_a_shell_completes_the_names_that_an_option_takes() -> None:
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    context = click.Context(command)
    options = {option.name: option for option in command.params}
    assert [each.value for each in options["strategy"].shell_complete(context, "n")] == ["nsga2", "neuroevolution"]
    assert [each.value for each in options["trainer"].shell_complete(context, "")] == ["native", "population", "single"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_the_expected_completions(shell: str) -> None:
    from typer.testing import CliRunner

    def ask(words: str) -> str:
        how = {"_EVONAS_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words, "COMP_WORDS": words}
        how |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "COMP_CWORD": str(len(words.split(" ")) - 1)}
        return CliRunner().invoke(app, env=how, prog_name="evonas").stdout

    script = get_completion_script(prog_name="evonas", complete_var="_EVONAS_COMPLETE", shell=shell)
    assert f"_EVONAS_COMPLETE=complete_{shell}" in script
    option = ask("evonas run --strat")
    assert "--strategy" in option
    assert "--space" not in option
    assert len(option.splitlines()) == 1
    assert "[" not in option
    assert "hyperband" in ask("evonas run x.csv --strategy hyp")
    assert "resume" in ask("evonas re")
