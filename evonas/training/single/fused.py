"""Batch normalisation over maps and series with TensorFlow's fused operation, which takes half the time of Keras's.

It is used in training; exported models have Keras's layer with the same weights.
"""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["FusedBatchNormalization"]


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Normalises `(num_samples, ..., channels)` by the batch in training; otherwise as its parent."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As the parent's, which is used for flat inputs."""
        if not training or len(inputs.shape) not in (3, 4):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        maps = inputs if len(inputs.shape) == 4 else tf.expand_dims(inputs, 1)
        found, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            maps, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta), epsilon=self.epsilon
        )
        # It returns the unbiased variance, while Keras averages the biased one.
        count = tf.cast(tf.reduce_prod(tf.shape(maps)[:-1]), variance.dtype)
        variance *= tf.maximum(count - 1.0, 1.0) / count
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return found if len(inputs.shape) == 4 else tf.squeeze(found, 1)
