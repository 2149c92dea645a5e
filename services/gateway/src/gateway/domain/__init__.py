"""Rules of the gateway that need nothing but the standard library."""
