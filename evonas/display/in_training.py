"""Text about the networks that a run is training and their progress."""

from __future__ import annotations

from collections.abc import Sequence

from evonas.io.printable import printable
from evonas.runs.in_training import NetworkInTraining

__all__ = ["retraining_words", "training_lines"]

_KINDS = {"finalist": "re-training", "member": "training for the final model"}


def training_lines(networks: Sequence[NetworkInTraining], most: int = 4) -> list[str]:
    """One line per network for the first `most`, and the number of others."""
    lines = [_words(each) for each in networks[:most]]
    return [*lines, *([f"{len(networks) - most} more"] if len(networks) > most else [])]


def retraining_words(done: int, planned: int, stopped: int = 0) -> str:
    """Progress of the finalists' re-trainings.

    Args:
        done: number of finished re-trainings, including those for which there was no time.
        planned: total number.
        stopped: number of those for which there was no time.

    Example:
        >>> retraining_words(9, 9, stopped=5)
        '4 of 9 re-trainings done, the time was too short for 5'
    """
    late = f", the time was too short for {stopped}" if stopped else ""
    return f"{done - stopped} of {planned} re-trainings done{late}"


def _words(network: NetworkInTraining) -> str:
    """For example "network 17 of generation 3: 48-48, 3,361 parameters, epoch 23 of 50, 12 s"."""
    number = network["index"] + 1
    which = _KINDS.get(network["kind"], "network")
    of = f" of generation {network['generation'] + 1}" if network["kind"] == "search" else ""
    facts = [network["name"]]
    facts += [f"{network['parameters']:,} parameters"] if network["parameters"] else []
    # The current epoch has not ended.
    epoch = min(network["epoch"] + 1, network["epochs"])
    facts += [f"epoch {epoch:,} of {network['epochs']:,}"] if network["epochs"] else []
    facts.append(f"{network['seconds']:,.0f} s")
    return printable(f"{which} {number}{of}: {', '.join(facts)}")
