"""The local stack: everything of the product on one machine, without Docker and without privileges."""
