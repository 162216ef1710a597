"""The plain typed data that all rooms share, and the ports between them."""
