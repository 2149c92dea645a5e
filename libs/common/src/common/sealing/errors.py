"""Why a sealed body or file was not opened.

::

    SealError
    ├── SealKeyGone     its epoch was destroyed, or there is no key at all
    ├── SealBroken      not a box of ours: damaged, cut short, or sealed to another key
    ├── SealMismatch    the box belongs to another job or account
    └── SealExpired     it was sealed for a time that is over
"""


class SealError(Exception):
    """Something sealed cannot be used; the message never quotes its content."""


class SealKeyGone(SealError):  # noqa: N818 - the name says what happened
    """The key of this epoch is not here (any more)."""


class SealBroken(SealError):  # noqa: N818 - the name says what happened
    """The ciphertext is damaged, incomplete or not for our key."""


class SealMismatch(SealError):  # noqa: N818 - the name says what happened
    """The box was sealed for another job or another account."""


class SealExpired(SealError):  # noqa: N818 - the name says what happened
    """The box was sealed for a time that is over."""
