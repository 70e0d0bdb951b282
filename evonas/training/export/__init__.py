"""Export of trained networks to files for plain Keras and other libraries. Runs in the worker process."""
