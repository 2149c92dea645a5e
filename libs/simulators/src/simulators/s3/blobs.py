"""Bytes on disk under names nobody can guess; a blob without a row that names it does not exist."""

import contextlib
import os
import secrets
from pathlib import Path


class Draft:
    """A blob being written. Only the row that names it, committed later, makes it part of an object."""

    def __init__(self, root: Path) -> None:
        self.name = secrets.token_hex(16)
        self.path = f"{root}/{self.name[:2]}/{self.name}"
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, piece: bytes) -> None:
        """Append all of `piece`."""
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def append(self, source: str, length: int) -> None:
        """Append `length` bytes of another blob without bringing them through this program."""
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        offset = 0
        try:
            while length > 0:
                moved = os.sendfile(self._descriptor, descriptor, offset, length)
                if moved == 0:
                    raise OSError("a blob ended before its stated length")
                offset, length = offset + moved, length - moved
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """No more is written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def sync(self) -> None:
        """Bring the bytes and the name to the disk, so that they survive a loss of power too."""
        os.fdatasync(self._descriptor)
        directory = os.open(str(Path(self.path).parent), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def discard(self) -> None:
        """Remove what was written."""
        self.close()
        Path(self.path).unlink(missing_ok=True)


class Blobs:
    """A folder of blobs, spread over 256 subfolders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for shard in range(256):
            (root / f"{shard:02x}").mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> str:
        """Where a blob lies."""
        return f"{self.root}/{name[:2]}/{name}"

    def draft(self) -> Draft:
        """Begin a new blob."""
        return Draft(self.root)

    def open(self, name: str) -> int:
        """A descriptor for reading; an open blob stays readable after it was removed."""
        return os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)

    def link(self, name: str) -> str:
        """A second name for the same bytes; blobs never change, so sharing them is safe."""
        twin = secrets.token_hex(16)
        os.link(self.path(name), self.path(twin))
        return twin

    def remove(self, name: str) -> None:
        """Free a blob that no row names any more; one that cannot be freed now is swept at the next start."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(name))  # noqa: PTH108 - on the hot path, and pathlib costs more than the call

    def names(self, shard: int) -> list[str]:
        """All blobs of one subfolder."""
        return [entry.name for entry in os.scandir(self.root / f"{shard:02x}")]
