"""Teach the model who it is: data sets, training, merging, and checks of what was learnt and what was kept."""
