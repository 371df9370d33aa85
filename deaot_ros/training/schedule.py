"""What changes over the steps of a stage (SPEC section 12). `step` counts from 0."""

from __future__ import annotations

from .settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear warm-up from the smallest rate, then polynomial decay with power 0.9."""
    low, high = settings.min_rate, settings.rate
    warm_up = int(settings.warm_up * settings.steps)
    if step < warm_up:
        return low + (high - low) * step / warm_up
    total = settings.steps - warm_up
    return low + (high - low) * (1 - (step - warm_up) / (total + 1)) ** 0.9


def encoder_learning_rate(step: int, settings: TrainSettings) -> float:
    """The encoder's rate: the same curve, scaled above the smallest rate."""
    low = settings.min_rate
    return low + settings.encoder_rate * (learning_rate(step, settings) - low)


def hard_pixel_fraction(step: int, settings: TrainSettings) -> float:
    """Fraction of pixels in the cross-entropy: from 1 down to `hard_pixels` half-way."""
    progress = min(1.0, step / (0.5 * settings.steps))
    return 1 - (1 - settings.hard_pixels) * progress


def auxiliary_weight(step: int, settings: TrainSettings) -> float:
    """Weight of the reference frame's own loss."""
    if settings.auxiliary_until <= 0:
        return 0.0
    return max(0.0, 1 - step / (settings.auxiliary_until * settings.steps))


def is_self_fed(step: int, settings: TrainSettings) -> bool:
    """Whether memory gets predicted masks at this step."""
    return step >= settings.self_fed_from * settings.steps


def has_relative_term(step: int, settings: TrainSettings) -> bool:
    """Whether the short-term attention may prefer places, not only looks, at this step."""
    return step >= settings.relative_from * settings.steps


def average_decay(step: int, settings: TrainSettings) -> float:
    """Decay of the exponential moving average of the weights."""
    return min(1 - 1 / max(2.0, 0.1 * settings.steps), (1 + step) / (10 + step))
