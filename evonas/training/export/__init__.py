"""From weights to a file that plain Keras, or another library, opens. Runs in the worker process."""
