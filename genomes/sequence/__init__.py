"""Sequence networks, for series `(steps, channels)` and texts: stages of convolutions, recurrent cells and attention.

`SequenceGenome` is a network with its training settings, `SequenceSpace` defines which of them a search may try, and
`to_graph` gives the architecture graph that training sees. `MUTATIONS` lists the mutations::

    import numpy as np
    from genomes import SequenceSpace, architecture

    space = SequenceSpace(layer=["conv", "recurrent"], cell="gru")
    graph = space.architecture(space.sample(np.random.default_rng(0)))
    architecture.count_parameters(graph, num_features=60, num_outputs=1, sample_shape=(20, 3))

    SequenceSpace.for_text()  # begins with an embedding of tokens
"""

from genomes.sequence.genome import Block, SequenceGenome
from genomes.sequence.graph import to_graph
from genomes.sequence.space import MUTATIONS, SequenceSpace

__all__ = ["MUTATIONS", "Block", "SequenceGenome", "SequenceSpace", "to_graph"]
