"""Training with `keras.Model.fit`, one network at a time: supports any model, and is the reference for other
trainers.
"""
