"""An S3 endpoint small enough to read and honest enough to trust: what it does not enforce, it refuses."""

from simulators.s3.cli import command

__all__ = ["command"]
