"""Ears and a mouth: a voice message becomes text, and an answer becomes a voice message."""
