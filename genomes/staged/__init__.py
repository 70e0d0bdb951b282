"""Networks made of stages of blocks, shared by the encodings `genomes.convolutional` and `genomes.sequence`.

An encoding is a table of genes (`rows.Encoding`), a class of blocks and one of genomes, and `architecture`, which
converts a genome to a graph. `StagedSpace` derives everything else from the table: sampling, mutations, crossover by
stages, features, flat genes, JSON and TOML. Any genome is valid for data of any size, thanks to "same" padding.
"""

from genomes.staged.genome import DOWNSAMPLINGS, Stage
from genomes.staged.known_defaults import Recipe, StageRecipe
from genomes.staged.mutation import mutations_of
from genomes.staged.rows import Encoding, GeneRow
from genomes.staged.space import StagedSpace

__all__ = ["DOWNSAMPLINGS", "Encoding", "GeneRow", "Recipe", "Stage", "StageRecipe", "StagedSpace", "mutations_of"]
