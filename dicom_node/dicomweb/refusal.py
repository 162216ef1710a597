"""A request that is not served, with the status its sender gets."""

from http import HTTPStatus

from domain.errors import RadcopilotError


class RequestRefusedError(RadcopilotError):
    """The request cannot be served as it is: the message says what would be."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def bad_request(reason: str) -> RequestRefusedError:
    """Return a refusal of a request that cannot be understood."""
    return RequestRefusedError(HTTPStatus.BAD_REQUEST, reason)


def not_found(reason: str) -> RequestRefusedError:
    """Return a refusal of a request for what is not here."""
    return RequestRefusedError(HTTPStatus.NOT_FOUND, reason)


def not_acceptable(reason: str) -> RequestRefusedError:
    """Return a refusal of a request for a form that cannot be had."""
    return RequestRefusedError(HTTPStatus.NOT_ACCEPTABLE, reason)
