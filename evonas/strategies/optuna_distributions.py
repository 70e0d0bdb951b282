"""Conversion between genes and Optuna parameters.

A range becomes a number on its scale or, if it may also be 0, the position in [0, 1]. A choice of numbers becomes the
rank of the number, and a choice of names a categorical parameter. Fixed genes are omitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from genomes.domains import Choice, Domain, Range, Value
from genomes.gene import Gene

__all__ = ["DistributionCodec"]

Parameters = dict[str, Any]


class DistributionCodec:
    """Converts the genes of a space to Optuna parameters and back.

    Args:
        genes: the genes, each after those that its condition refers to.
        every: whether inactive genes are parameters too (without effect), for samplers that model only parameters
            common to all trials. Otherwise each trial has its active genes only (define-by-run).
    """

    def __init__(self, genes: Sequence[Gene], every: bool) -> None:
        self._genes, self._every = tuple(genes), every
        self.distributions = {gene.name: _distribution(gene.domain) for gene in genes if not gene.domain.is_fixed}

    def suggest(self, trial: optuna.Trial) -> tuple[dict[str, Value], Parameters]:
        """The values that a trial suggests for the active genes, and all parameters of the trial."""
        values: dict[str, Value] = {}
        for gene in self._genes:
            active = gene.is_active(values)
            if gene.name not in self.distributions:
                value = gene.domain.least
            elif active or self._every:
                value = _decode(gene.domain, _suggest(trial, gene.name, self.distributions[gene.name]))
            if active:
                values[gene.name] = value
        return values, dict(trial.params)

    def parameters(self, values: Mapping[str, Value], others: Mapping[str, Any] | None = None) -> Parameters:
        """The parameters of these values; `others` are the parameters of inactive genes."""
        found = dict(others or {}) if self._every else {}
        for gene in self._genes:
            if gene.name in values and gene.name in self.distributions:
                found[gene.name] = _encode(gene.domain, values[gene.name])
        return found

    @property
    def num_numbers(self) -> int:
        """Number of numeric parameters."""
        return sum(not isinstance(each, CategoricalDistribution) for each in self.distributions.values())


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return IntDistribution(0, len(domain.options) - 1) if _is_ranked(domain) else _names(domain)
    if domain.zero:
        return FloatDistribution(0.0, 1.0)
    if isinstance(domain.low, int):
        return IntDistribution(domain.low, int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _names(domain: Choice) -> CategoricalDistribution:
    return CategoricalDistribution(domain.options)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _decode(domain: Domain, parameter: Any) -> Value:
    if isinstance(domain, Range):
        return domain.at(parameter) if domain.zero else domain.clip(parameter)
    return sorted(domain.options)[parameter] if _is_ranked(domain) else parameter


def _encode(domain: Domain, value: Value) -> Any:
    if isinstance(domain, Range):
        return domain.position(value) if domain.zero else value
    return sorted(domain.options).index(value) if _is_ranked(domain) else value


def _is_ranked(choice: Choice) -> bool:
    """Whether the options are numbers and thus ordered."""
    return not isinstance(choice.options[0], (str, bool))
