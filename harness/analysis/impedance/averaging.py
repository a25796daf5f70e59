"""One number from several models of one spectrum, and how much it would scatter if the spectrum were measured again.

The number is the mean over models, x̄ = Σ w_k x_k, by Akaike's weights w_k ∝ exp(−S_k / 2) (K. P. Burnham and D. R.
Anderson, "Model Selection and Multimodel Inference", 2nd ed., Springer 2002, §4). Such a mean is a smooth function of the
data even where the best model changes, and its standard deviation is that of its own derivative (B. Efron, J. Am. Stat.
Assoc. 109 (2014) 991, 10.1080/01621459.2013.823775), to first order in the noise:

    dx̄/dy = Σ w_k g_kᵀ (J_kᵀJ_k)⁻¹ J_kᵀ  −  ½ Σ w_k x_k (s_k − s̄),      s_k = dS_k/dy = −2 r_k / v

for relative data y, residuals r = model − data and the variance v of the scores. σ² = noise² |dx̄/dy|², with the noise of the
spectrum itself. This is the scatter about what the same fit says of a spectrum without noise. How far models of nearly the same
quality lie apart, the part of a systematic error that the data can show, is a second number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.family import Member, plausible, score, score_variance

VAGUE = 10.0
"""A model whose own σ is this many times that of the best one says little, and counts for little."""


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """Series, interface and total resistance (in this order): means, standard deviations, and how far plausible models lie
    apart.

    ``weights`` are the members'; ``best`` is the place of the heaviest.
    """

    value: Array
    std: Array
    spread: Array
    weights: Array
    best: int


def averaged(members: Sequence[Member], noise: float, points: int) -> Average:
    """The mean over ``members``; ``noise`` is one standard deviation of a relative residual."""
    residuals = 2 * points
    variance = score_variance(members, residuals)
    scores = np.array([score(member, variance) for member in members])
    gradients = [_gradient(member) for member in members]
    values = np.array([gradient.sum(axis=1) for gradient in gradients])
    follows = [(gradient @ influence(member))[:, :residuals] for member, gradient in zip(members, gradients, strict=True)]
    weights = _weights(scores, values, np.array([np.linalg.norm(one, axis=1) for one in follows]))
    mean = weights @ values
    slopes = np.array([-2.0 * member.minimum.residual[:residuals] / variance for member in members])
    derivative = values.T @ (-0.5 * weights[:, None] * (slopes - weights @ slopes))
    derivative += np.einsum("k,kqi->qi", weights, np.array(follows))
    true = plausible(members, points)
    possible = values[[member in true for member in members]]
    spread = np.sqrt(np.mean((possible - mean) ** 2, axis=0))
    return Average(mean, noise * np.linalg.norm(derivative, axis=1), spread, weights, int(np.argmax(weights)))


def contested(mean: Average, rivals: Sequence[Member]) -> Average:
    """The same mean with a spread that holds that each rival is as likely to be true as the mean: half its squared distance."""
    apart = np.array([_gradient(rival).sum(axis=1) - mean.value for rival in rivals]).reshape(-1, 3)
    return replace(mean, spread=np.sqrt(mean.spread**2 + 0.5 * np.sum(apart**2, axis=0)))


def influence(member: Member) -> Array:
    """How the parameters follow the data, (JᵀJ)⁻¹Jᵀ; those on a bound do not."""
    jacobian = np.where(member.minimum.held[:, None], 0.0, member.minimum.jacobian)
    scale = np.linalg.norm(jacobian, axis=1)
    scale[scale == 0.0] = 1.0
    scaled = jacobian / scale[:, None]
    inverse: Array = np.linalg.pinv(scaled @ scaled.T, rcond=1e-12, hermitian=True)
    follows: Array = (inverse @ scaled) / scale[:, None]
    return follows


def _weights(scores: Array, values: Array, std: Array) -> Array:
    """Akaike's, less where a model does not determine what it reports: 1 / (1 + (σ / 10 σ_best)²) for the worst of the three."""
    best = int(np.argmin(scores))
    vague = np.max(std / np.maximum(std[best], 1e-6 * values[best]), axis=1) / VAGUE
    weights: Array = np.exp(-0.5 * (scores - scores.min())) / (1.0 + vague**2)
    share: Array = weights / weights.sum()
    return share


def _gradient(member: Member) -> Array:
    """Derivatives of series, interface and total resistance by the internal parameters: the resistances themselves."""
    names = member.circuit.names
    gradient = np.zeros((3, len(names)))
    series, interface = names.index(member.circuit.series), [names.index(name) for name in member.circuit.interface]
    gradient[0, series] = np.exp(member.minimum.place[series])
    gradient[1, interface] = np.exp(member.minimum.place[interface])
    gradient[2] = gradient[0] + gradient[1]
    return gradient
