"""The output of a search: wording, rate, plain lines, events and the live block."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from evonas.config import Budget
from evonas.data.prepare import prepare_arrays
from evonas.display import Events, Plain, Several, make_display, summaries
from evonas.display.live import Live
from evonas.display.progress_rate import ProgressRate
from evonas.display.scores import clock, format_score, scores_words
from evonas.evaluation import Evaluation, Status
from evonas.interruption import Interruption
from evonas.runs import RunReader
from evonas.runs.progress import Progress
from tests.stub import StubEvaluator, stub_search
from tests.toy import RMSE


def progress(**values: Any) -> Progress:
    defaults = {"generation": 0, "trained": 5, "planned": 10, "evaluated": 5, "failed": 0, "best": None, "part": ()}
    return Progress(**{**defaults, "seconds": 10.0, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.4755584, "0.47556"),
        (61234.56, "61,235"),
        (3224209781.2, "3,224,209,781"),
        (-12.345678, "-12.346"),
        (0.0, "0"),
        (0.00001234, "1.234e-05"),
        (None, "none"),
        (float("nan"), "none"),
    ],
)
def test_scores_are_written_as_people_write_them(score: float | None, text: str) -> None:
    assert format_score(score) == text


def test_durations_and_metrics() -> None:
    assert [clock(seconds) for seconds in (0.4, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
    assert scores_words({"mae": 2.0, "rmse": 3.0}, "rmse") == "rmse 3.0000, mae 2.0000"


def test_the_first_bound_gives_the_remaining_time() -> None:
    pace = ProgressRate(Budget(generations=2, evaluations=100, seconds=1000), RMSE, 0, 0, 0.0)
    assert pace.seconds_left(4) == 996
    pace.part(progress())
    assert pace.per_second == 0.5
    assert pace.seconds_left(10) == pytest.approx(30)
    assert pace.seconds_left(500) == 0
    assert ProgressRate(Budget(target=0.1), RMSE, 0, 0, 0.0).seconds_left(1) is None


def test_the_rate_of_a_resumed_run_is_that_of_its_session() -> None:
    pace = ProgressRate(Budget(evaluations=110), RMSE, 3, 90, 500.0)
    pace.part(progress(generation=3, evaluated=100, seconds=520.0))
    assert pace.per_second == 0.5
    assert pace.seconds_left(520) == pytest.approx(20)


def test_the_median_is_that_of_the_current_generation() -> None:
    pace = ProgressRate(Budget(), RMSE, 0, 0, 0.0)
    assert pace.median is None
    parts = [(0, (1.0, 2.0)), (0, (6.0,)), (1, (9.0,))]
    medians = []
    for generation, scores in parts:
        part = tuple(Evaluation(Status.OK, {"rmse": score}) for score in scores)
        pace.part(progress(generation=generation, part=(*part, Evaluation(Status.FAILED, {"rmse": float("nan")}))))
        medians.append(pace.median)
    assert medians == [1.5, 2.0, 9.0]


def test_plain_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    stub_search(tmp_path / "run", Plain(stream), generations=2)
    text = stream.getvalue()
    for expected in (
        "Task: regression of 'y' from 3 features",
        "Rows: 36 training, 12 validation, 12 test, which the search never sees",
        "lowest rmse wins; seed 0",
        "Until: 2 generations",
        "generation 1/2: 4 trained, best rmse 0.",
        "Stopped: all 2 generations are done",
        "2 generations, 8 networks trained (0 failed)",
        "Time: search ",
        f"evonas resume {tmp_path / 'run'} --generations +10",
    ):
        assert expected in text


def test_a_long_generation_shows_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.display.text._SILENCE_SECONDS", 0.0)
    stream = io.StringIO()
    stub_search(tmp_path / "run", Plain(stream), generations=1)
    assert "  generation 1: 1 of 4 trained, best rmse 0." in stream.getvalue()
    assert "4 of 4 trained, best" not in stream.getvalue()


def test_quiet_lines_are_the_result_only(tmp_path: Path) -> None:
    stream = io.StringIO()
    stub_search(tmp_path / "run", Plain(stream, quiet=True))
    assert stream.getvalue().startswith("Stopped: ")


def test_a_run_whose_networks_are_all_over_the_limits_says_by_how_much(tmp_path: Path) -> None:
    over = {
        f"{count} parameters, at most 5": Evaluation(
            Status.INFEASIBLE, {"violation": count / 5 - 1}, reason=f"over the limit: {count} parameters, at most 5"
        )
        for count in (90, 30)
    }
    reader = SimpleNamespace(records=lambda: [SimpleNamespace(evaluation=each) for each in over.values()], evaluated=0)
    line = " ".join(summaries._limit_lines(reader))  # type: ignore[arg-type]
    assert line.endswith("the network that exceeds them least has 30 parameters, at most 5. Raise them")


def test_a_run_without_a_score_says_why(tmp_path: Path) -> None:
    stream = io.StringIO()
    stub_search(tmp_path / "run", Plain(stream), evaluation=Evaluation(Status.FAILED, reason="diverged"))
    text = stream.getvalue()
    assert "generation 1/1: 4 trained (4 failed), best rmse none" in text
    assert "No network has a score yet\n  4 x diverged" in text
    assert "Export" not in text


def test_events_are_json_a_line(tmp_path: Path) -> None:
    stream = io.StringIO()
    stub_search(tmp_path / "run", Events(stream), generations=2)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["start", *["progress"] * 4, "generation"] * 1 + [
        *["progress"] * 4,
        "generation",
        "finish",
    ]
    assert events[0]["rows"] == {"training": 36, "validation": 12, "test": 12}
    assert events[-1]["best"]["score"] == min(event["best"] for event in events[1:-1])
    assert events[-1]["model"] is None
    assert sum(events[-1]["times"].values()) == pytest.approx(events[-1]["seconds"])
    assert events[-1]["times"].keys() == {"search", "finalists", "rest"}


def test_the_live_block(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    interruption = Interruption()
    live = Live(stream, interruption, console)
    stub_search(tmp_path / "run", live, generations=2)
    live.pause()
    text = stream.getvalue()
    assert "generation 2 of 2" in text
    assert "8 trained" in text
    assert "Press Ctrl-C to stop" in text
    assert text.index("generation 2 of 2") < text.index("Stopped: all 2 generations")
    assert "Press Ctrl-C" not in text[text.index("Stopped: all 2 generations") :]
    interruption.signal = 2
    console.print(live)
    assert "Ctrl-C again stops immediately" in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_display_fits_the_output() -> None:
    def kind(output: io.StringIO, errors: io.StringIO, **options: bool) -> str:
        return type(make_display(Interruption(), output, errors, **options)).__name__

    pipe, terminal = io.StringIO(), Terminal()
    assert kind(terminal, terminal) == "Live"
    assert kind(pipe, terminal) == "Plain"
    assert kind(terminal, terminal, quiet=True) == "Plain"
    assert kind(pipe, terminal, as_json=True) == "Several"
    assert kind(pipe, terminal, as_json=True, quiet=True) == "Events"


def test_several_displays_receive_the_same_events(tmp_path: Path) -> None:
    streams = [io.StringIO(), io.StringIO()]
    stub_search(tmp_path / "run", Several([Plain(stream) for stream in streams]))
    assert streams[0].getvalue() == streams[1].getvalue() != ""


def test_folds_are_shown(tmp_path: Path) -> None:
    stream = io.StringIO()
    x = [[row, row % 7, row % 3] for row in range(60)]
    data = prepare_arrays(x, [float(row % 5) for row in range(60)], seed=0, folds=4, task="regression")
    stub_search(tmp_path / "run", Plain(stream), data=data)
    assert "Rows: 48 in 4 folds, 12 test" in stream.getvalue()
    with RunReader(tmp_path / "run") as run:
        assert run.evaluated == 4
    assert StubEvaluator.closed
