"""Platforms: their events into ours, our deliveries back out. Each of them imports the core alone."""
