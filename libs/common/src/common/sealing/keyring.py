"""A key file in memory, read again when it has changed."""

import time
from pathlib import Path

from common.sealing.epochs import Epoch, load
from common.sealing.errors import SealKeyGone

CHECK_EVERY_S = 1.0


class Keyring:
    """The epochs of one key file; notices a replaced file within a second, at the cost of one stat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._epochs: tuple[Epoch, ...] = ()
        self._seen: tuple[int, int] | None = None
        self._checked_at = float("-inf")

    def epochs(self) -> tuple[Epoch, ...]:
        """All epochs, oldest first; a file that is away or unreadable leaves the last known ones in use."""
        if time.monotonic() - self._checked_at >= CHECK_EVERY_S:
            self.reread()
        return self._epochs

    def reread(self) -> tuple[Epoch, ...]:
        """The same, looking at the file now. Raises SealKeyGone when it is unreadable and nothing is known."""
        self._checked_at = time.monotonic()
        try:
            stat = self._path.stat()
        except OSError:
            return self._epochs
        # The inode as well: an atomic replacement within one tick of the file system's clock is still seen.
        version = (stat.st_mtime_ns, stat.st_ino)
        if version != self._seen:
            try:
                self._epochs = load(self._path)
            except SealKeyGone:
                if not self._epochs:
                    raise
            else:
                self._seen = version
        return self._epochs
