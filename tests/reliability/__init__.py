"""The battery: what docs/reliability.md promises, tried. `make test` runs a part of each test, `make soak` all."""
