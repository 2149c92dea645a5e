"""Who calls, and how much they may: accounts, keys, limits."""
