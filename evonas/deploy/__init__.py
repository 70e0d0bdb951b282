"""From a run to files that others use: `export` writes a network with its model card, `rebuild` an untrained one."""
