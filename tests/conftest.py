"""No test is timed: the deadlines of Hypothesis would fail on a machine that is busy."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
