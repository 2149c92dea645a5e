"""What a refused request says."""


class EgressRefused(Exception):  # noqa: N818 - a decision, not a defect
    """The URL may not be requested; the message is a sentence for its owner that says what to use instead."""
