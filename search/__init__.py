"""Finding text: normalise, tokenise, rank by words and by vectors, fuse, fold what repeats. Imports nothing of ours."""
