"""The filter: what may be shown in which room.

Stands at the core's ``Screen`` port, so that everything we are about to show passes it. A text is first read as
people read it (``unmasking``), then searched for the words of the lists (``lexicon``, ``matching``), then weighed
(``scoring``); the room's settings decide what follows (``screen``), and ``/filter`` changes them (``commands``).
"""
