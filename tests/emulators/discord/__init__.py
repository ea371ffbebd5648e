"""A local Discord for tests and benchmarks: enough of it for the unmodified discord.py to live in.

``server`` has the verbs; ``world`` is what exists and what members saw; ``gateway``, ``rest``, ``messages``,
``interactions`` and ``cdn`` speak the protocol; ``limits`` and ``faults`` are its moods. What is emulated
follows Discord's documentation where it says something, and the behaviour of discord.py 2.7.1 where it
does not: it shows how the client behaves, not how Discord does.
"""

from tests.emulators.discord.faults import MISSING_ACCESS, MISSING_PERMISSIONS, RestFault
from tests.emulators.discord.interactions import Interaction
from tests.emulators.discord.limits import Limits
from tests.emulators.discord.rest import Upload
from tests.emulators.discord.server import DiscordEmulator
from tests.emulators.discord.world import Act, Channel, Guild, Kind, Posted, User

__all__ = [
    "MISSING_ACCESS",
    "MISSING_PERMISSIONS",
    "Act",
    "Channel",
    "DiscordEmulator",
    "Guild",
    "Interaction",
    "Kind",
    "Limits",
    "Posted",
    "RestFault",
    "Upload",
    "User",
]
