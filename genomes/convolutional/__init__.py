"""Convolutional networks: stages of blocks over images `(height, width, channels)` or series `(steps, channels)`.

`ConvolutionalGenome` is a network with its training settings, `ConvolutionalSpace` defines which of them a search may
try, and `to_graph` gives the architecture graph that training sees. `MUTATIONS` lists the mutations::

    import numpy as np
    from genomes import ConvolutionalSpace, Range, architecture

    space = ConvolutionalSpace(stages=Range(1, 3), filters=Range(8, 32, log=True), residual=True)
    rng = np.random.default_rng(0)
    child, mutation = space.mutate(space.sample(rng), rng)
    graph = space.architecture(child)
    print(architecture.draw(graph))
    architecture.count_parameters(graph, num_features=28 * 28, num_outputs=10, sample_shape=(28, 28, 1))
"""

from genomes.convolutional.genome import Block, ConvolutionalGenome
from genomes.convolutional.graph import to_graph
from genomes.convolutional.space import MUTATIONS, ConvolutionalSpace

__all__ = ["MUTATIONS", "Block", "ConvolutionalGenome", "ConvolutionalSpace", "to_graph"]
