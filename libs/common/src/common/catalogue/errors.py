"""What can be wrong with a model file, and with a request."""

from typing import Literal

Code = Literal["invalid_value", "unknown_parameter", "missing_required_parameter"]


class CatalogueError(Exception):
    """A model file is wrong; the message names the file and the key."""


class InvalidParameter(ValueError):  # noqa: N818 - the name says what happened
    """The request does not fit the model.

    ``param`` is the name the client used (None when that name is not fit to be repeated), ``code`` OpenAI's code
    for it. ``message`` says what is allowed and never quotes a value that was sent: it may be part of a prompt.
    """

    def __init__(self, param: str | None, code: Code, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.code: Code = code
        self.message = message
