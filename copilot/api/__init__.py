"""The web API of the server."""
