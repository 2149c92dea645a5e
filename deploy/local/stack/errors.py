class CannotSetUp(Exception):  # noqa: N818 - a fact about the surroundings
    """What is missing and what can be done about it, in words for whoever typed the command."""
