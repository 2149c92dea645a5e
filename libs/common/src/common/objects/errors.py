"""What the object store may answer besides what was asked for.

::

    ObjectError
    ├── NotFound    no such object (or bucket)
    ├── Refused     403: our credentials, our clock or our rights are wrong; repeating does not help
    └── TooLarge    more bytes than the caller allowed

An object store that is away, overloaded or answers 5xx raises ``common.messaging.CannotReach`` instead: nothing is
wrong with the work, try again.
"""


class ObjectError(Exception):
    """The object store refused a request for a reason of its own."""


class NotFound(ObjectError):  # noqa: N818 - an answer, not a defect
    """There is no such object."""


class Refused(ObjectError):  # noqa: N818
    """The object store does not accept our signature or our rights."""


class TooLarge(ObjectError):  # noqa: N818
    """There are more bytes than the caller allowed."""
