"""Networks of stages of blocks: what the encodings `genomes.convolutional` and `genomes.sequence` share.

An encoding is a table of genes (`rows.Encoding`), a class of blocks and one of genomes, and `architecture`, which
writes a genome as a graph; `StagedSpace` does the rest from the table: samples, mutations, crossover by stages,
features, flat genes, JSON and TOML. Any genome is valid for data of any size: operations are padded to the size that
they take.
"""

from genomes.staged.genome import DOWNSAMPLINGS, Stage
from genomes.staged.known_defaults import Recipe, StageRecipe
from genomes.staged.mutation import mutations_of
from genomes.staged.rows import Encoding, GeneRow
from genomes.staged.space import StagedSpace

__all__ = ["DOWNSAMPLINGS", "Encoding", "GeneRow", "Recipe", "Stage", "StageRecipe", "StagedSpace", "mutations_of"]
