"""Measurements: ours, a peer or the bare library, and the floor, in one run. Each prints JSON on its last line."""
