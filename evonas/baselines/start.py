"""`BaselineProcess`: starts the process that trains baselines during a search, and reads its results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import TypeAdapter, ValidationError

from evonas.machine import free_bytes
from evonas.runs.baselines import BaselineModel, Baselines

__all__ = ["OFF_VARIABLE", "BaselineProcess", "baselines_wanted", "reason_against"]

#: `EVONAS_BASELINE=off` in the environment disables baselines.
OFF_VARIABLE = "EVONAS_BASELINE"
#: Largest number of processor seconds, its share of a run's time, its smallest value, and the shortest run with
#: baselines.
_MOST_SECONDS, _MOST_SHARE, _LEAST_SECONDS, _SHORTEST_RUN = 60.0, 0.1, 4.0, 10.0
#: Largest size of the data, which are loaded a second time, as a share of the free memory.
_MEMORY_SHARE = 0.25
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS")

_MODEL = TypeAdapter(BaselineModel)


def baselines_wanted(asked: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether baselines are requested, and not disabled globally."""
    return asked and environment.get(OFF_VARIABLE, "").strip().lower() not in ("off", "0", "no", "false")


def reason_against(data: Path, seconds: float | None) -> str:
    """The reason why a search trains no baselines; empty if it trains them.

    Args:
        data: file with the prepared data.
        seconds: time limit of the run; None for no limit.
    """
    if seconds is not None and seconds < _SHORTEST_RUN:
        return f"a run of less than {_SHORTEST_RUN:g} s is too short for them"
    if data.stat().st_size > _MEMORY_SHARE * free_bytes():
        return "there is not enough memory to load the data a second time"
    return ""


class BaselineProcess:
    """Trains baselines in the background.

    A context manager that ends the process on exit.
    """

    def __init__(self, data: Path, seed: int, seconds: float | None = None, all_rows: bool = False) -> None:
        """Starts the process; does not wait for it.

        Args:
            data: file with the prepared data.
            seed: seed of the run.
            seconds: time limit of the run, of which the baselines use a share; None for no limit.
            all_rows: see `evonas.baselines.fitting.fit_baselines`.
        """
        share = _MOST_SECONDS if seconds is None else max(_LEAST_SECONDS, _MOST_SHARE * seconds)
        arguments = [str(data), str(seed), str(min(_MOST_SECONDS, share)), str(int(all_rows)), str(os.getpid())]
        self._models: dict[str, BaselineModel] = {}
        self._missing, self._new = "", False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evonas.baselines.process", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is only sent to the driver
        )
        assert self._process.stdout is not None, "its output is a pipe"
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def news(self) -> Baselines | None:
        """The results so far, if there are new ones since the last call; otherwise None."""
        if not self._new:
            return None
        self._new = False
        return self._collect()

    def outcome(self, seconds: float) -> Baselines:
        """Waits at most `seconds` for the process to finish, ends it, and returns its results."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))
        cut = self._process.poll() is None
        self.end()
        missing = self._missing
        if cut and not missing:
            last = "gradient boosting" if self._models else "they"
            missing = f"{last} had not finished when the search ended"
        elif not self._models and not missing:
            missing = f"their process exited with code {self._process.returncode}"
        return Baselines(self._collect().models, missing)

    def end(self) -> None:
        """Ends the process."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._reader.join(1.0)

    def _collect(self) -> Baselines:
        # Gradient boosting, the stronger baseline, first.
        return Baselines(tuple(sorted(self._models.copy().values(), key=lambda model: model.name)), self._missing)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with suppress(ValueError, ValidationError):
                    values: Any = json.loads(line)
                    if "missing" in values:
                        self._missing = str(values["missing"])
                    else:
                        model = _MODEL.validate_python(values)
                        self._models[model.name] = model
                    self._new = True


def _environment() -> dict[str, str]:
    """The driver's environment, restricted to one thread, and with the driver's evonas if it is not installed."""
    environment = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in _LIBRARIES}}
    root = Path(__file__).parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return environment
