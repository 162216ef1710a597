"""Callers of an application that is not served: on this machine, or on another."""

from fastapi import FastAPI
from fastapi.testclient import TestClient


def here(app: FastAPI) -> TestClient:
    """A browser or program on this machine."""
    return TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))


def elsewhere(app: FastAPI, address: str = "10.0.0.9", scheme: str = "https") -> TestClient:
    """A browser or program on another machine, which calls the server by its address."""
    return TestClient(app, base_url=f"{scheme}://10.0.0.1", client=(address, 50000))
