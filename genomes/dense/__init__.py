"""Networks of dense layers: chains, or directed acyclic graphs with skip connections.

`DenseGenome` is a network with its training settings, `DenseSpace` defines which of them a search may try, and
`to_graph` gives the architecture graph that training sees. `MUTATIONS` lists the mutations.
"""

from genomes.dense.genome import DenseGenome, Layer, Neighbours, Training
from genomes.dense.graph import to_graph
from genomes.dense.mutation import MUTATIONS
from genomes.dense.space import DenseSpace

__all__ = ["MUTATIONS", "DenseGenome", "DenseSpace", "Layer", "Neighbours", "Training", "to_graph"]
