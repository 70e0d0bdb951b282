"""An untrained network compiled with built-in Keras objects only, so that plain Keras can open and train it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import networkx as nx

from evonas.data.prepared import Problem
from evonas.networks.initial import initial_weights
from evonas.networks.schedule import FINAL_SHARE
from evonas.training.losses import training_loss
from evonas.training.model import build_model, set_weights
from evonas.training.rates import has_factors
from evonas.training.single.optimizers import optimizer_of
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import finds_neighbours
from genomes.architecture.members import count_of

__all__ = ["build_untrained"]


def build_untrained(
    graph: nx.DiGraph,
    num_features: int,
    num_outputs: int,
    task: str,
    loss: str,
    seed: int,
    num_rows: int | None,
    epochs: int | None,
) -> tuple[keras.Model, str]:
    """Builds the network with the seed's initial weights; also returns notes on settings that Keras lacks.

    A network that predicts from learned neighbours, which are training rows, is built up to their representation, and
    compiled without a loss.
    """
    training: Mapping[str, Any] = graph.graph["training"]
    model = build_model(graph, num_features, num_outputs, seed)
    set_weights(model, initial_weights(graph, num_features, num_outputs, seed))
    if task == "multiclass" and training.get("label_smoothing"):
        training = {**training, "label_smoothing": 0.0}  # Keras cannot smooth class numbers
    steps = (epochs or 1) * -(-(num_rows or 1) // int(training["batch_size"]))
    rate, note = _rate(training, steps)
    settings = TrainingSettings(trainer="single", loss=loss)
    problem = Problem(task, num_features, num_outputs)
    represents = finds_neighbours(graph)
    found = None if represents else training_loss(problem, settings, training)
    model.compile(optimizer=optimizer_of(training, rate), loss=found)
    if represents:
        what = "its outputs are representations, from which training rows are compared: it has no loss"
        note = f"{note}; {what}" if note else what
    if count_of(graph) > 1:
        what = "its loss is that of the members' mean, while a search trains the mean of their losses"
        note = f"{note}; {what}" if note else what
    model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when the file is opened
    if "bias_initializer" in training:
        note = (f"{note}; " if note else "") + "biases start at 0, since the training rows are unknown here"
    if "decay_schedule" in training and training["optimizer"] == "adamw":
        note = (f"{note}; " if note else "") + "Keras has no schedule of weight decay: it is constant"
    if has_factors(training):
        note = (f"{note}; " if note else "") + "Keras has one rate for all variables: their multipliers are left out"
    if graph.graph["training"] != training:
        note = (f"{note}; " if note else "") + "Keras cannot smooth class numbers: label smoothing is left out"
    return model, note


def _rate(training: Mapping[str, Any], num_steps: int) -> tuple[Any, str]:
    """A Keras schedule with the rates of `schedule.learning_rates`, and a note on differences."""
    peak, warm = float(training["learning_rate"]), round(training["warmup"] * num_steps)
    left = max(num_steps - warm, 1)
    if training["schedule"] == "exponential":
        note = "Keras has no exponential schedule with warm-up: the warm-up is left out" if warm else ""
        return keras.optimizers.schedules.ExponentialDecay(peak, left, FINAL_SHARE), note
    if training["schedule"] == "coslog4":
        note = "Keras has no coslog4 schedule: cosine restarts of the same lengths replace it"
        return keras.optimizers.schedules.CosineDecayRestarts(peak, max(left // 15, 1)), note
    if training["schedule"] == "flat_cosine":
        note = "Keras has no flat_cosine schedule with warm-up: the warm-up is left out" if warm else ""
        flat = max(num_steps // 2, 1)
        decay = keras.optimizers.schedules.CosineDecay(
            peak, max(num_steps - flat, 1), warmup_target=peak, warmup_steps=flat
        )
        return decay, note
    if training["schedule"] == "constant" and not warm:
        return peak, ""
    rising = {"warmup_target": peak, "warmup_steps": warm} if warm else {}
    end = 1.0 if training["schedule"] == "constant" else 0.0
    return keras.optimizers.schedules.CosineDecay(peak / (warm + 1), left, alpha=end, **rising), ""
