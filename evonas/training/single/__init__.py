"""One network after the other with `keras.Model.fit`: any model, and the reference for the other trainers."""
