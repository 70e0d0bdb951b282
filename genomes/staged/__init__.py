"""Networks made of stages of blocks, over images `(height, width, channels)`, series `(steps, channels)` and texts.

There are two encodings. `ConvolutionalSpace` contains stages of convolutions over images and series,
`SequenceSpace` stages of convolutions, recurrent cells and attention over series and texts. Genomes are networks with
their training settings; `architecture` gives the graph that training sees::

    import numpy as np
    from genomes import ConvolutionalSpace, Range, SequenceSpace, architecture

    space = ConvolutionalSpace(stages=Range(1, 3), filters=Range(8, 32, log=True), residual=True)
    rng = np.random.default_rng(0)
    child, mutation = space.mutate(space.sample(rng), rng)
    graph = space.architecture(child)
    print(architecture.draw(graph))
    architecture.count_parameters(graph, num_features=28 * 28, num_outputs=10, sample_shape=(28, 28, 1))

    space = SequenceSpace(layer=["conv", "recurrent"], cell="gru")
    graph = space.architecture(space.sample(rng))
    architecture.count_parameters(graph, num_features=60, num_outputs=1, sample_shape=(20, 3))

    SequenceSpace.for_text()  # begins with an embedding of tokens

An encoding is a table of genes (`rows.Encoding`), a class of blocks and one of genomes, and `architecture`, which
converts a genome to a graph. `StagedSpace` derives everything else from the table: sampling, mutations, crossover by
stages, features, flat genes, JSON and TOML. Any genome is valid for data of any size, thanks to "same" padding.
"""

from genomes.staged.convolutional_genome import ConvolutionalGenome
from genomes.staged.convolutional_space import ConvolutionalSpace
from genomes.staged.genome import DOWNSAMPLINGS, Stage
from genomes.staged.known_defaults import Recipe, StageRecipe
from genomes.staged.mutation import mutations_of
from genomes.staged.rows import Encoding, GeneRow
from genomes.staged.sequence_genome import SequenceGenome
from genomes.staged.sequence_space import SequenceSpace
from genomes.staged.space import StagedSpace

__all__ = ["DOWNSAMPLINGS", "ConvolutionalGenome", "ConvolutionalSpace", "Encoding", "GeneRow", "Recipe"]
__all__ += ["SequenceGenome", "SequenceSpace", "Stage", "StageRecipe", "StagedSpace", "mutations_of"]
