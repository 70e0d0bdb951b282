"""Export of models: `export` writes a trained network with its model card, `rebuild` an untrained one."""
