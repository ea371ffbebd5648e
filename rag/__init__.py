"""The community's documents: how they come in, are found, judged and quoted."""
