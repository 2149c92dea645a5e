"""Bodies and files that nobody but a dispatcher can read, and the keys that make old ones unreadable.

What the callers must still do: put the key of a sealed file inside the sealed body, run the rotation at least once
a day, and give ``private.json`` to dispatchers only.
"""

from common.sealing.boxes import Opener, Sealed, Sealer
from common.sealing.epochs import KEPT_FOR, SEALS_FOR, rotate
from common.sealing.errors import SealBroken, SealError, SealExpired, SealKeyGone, SealMismatch
from common.sealing.files import CHUNK_BYTES, FileOpener, FileSealer, sealed_size

__all__ = [
    "CHUNK_BYTES",
    "KEPT_FOR",
    "SEALS_FOR",
    "FileOpener",
    "FileSealer",
    "Opener",
    "SealBroken",
    "SealError",
    "SealExpired",
    "SealKeyGone",
    "SealMismatch",
    "Sealed",
    "Sealer",
    "rotate",
    "sealed_size",
]
