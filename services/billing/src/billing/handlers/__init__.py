"""Use cases: one message in, one outcome out."""
