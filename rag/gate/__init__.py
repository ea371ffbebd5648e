"""The gate: does this message want an answer, and can these documents give it?

``forms`` (what the message looks like) and ``features`` (what the documents have to say to it) make a view of the
message; ``prior`` weighs it by shipped numbers, ``model`` and ``training`` by what examples taught; ``deciding``
turns that into answer, ask back, nothing found or silence, with a reason.
"""
