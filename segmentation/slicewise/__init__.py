"""3D masks by a network that sees single slices: the adapter, and what it is made of."""
