"""Reading requests within stated limits, with nothing plain ever written to a disk."""
