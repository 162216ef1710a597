"""Who asks, as the guard found it: what a handler writes down as the actor."""

from typing import Annotated, Final

from fastapi import Depends
from fastapi.requests import HTTPConnection

from copilot.access.caller import Caller
from copilot.access.roles import Person

PERSON: Final = "radcopilot.person"
CALLER: Final = "radcopilot.caller"


def _person(connection: HTTPConnection) -> Person:
    found = connection.scope[PERSON]
    assert isinstance(found, Person)
    return found


def _caller(connection: HTTPConnection) -> Caller:
    found = connection.scope[CALLER]
    assert isinstance(found, Caller)
    return found


Asker = Annotated[Person, Depends(_person)]
From = Annotated[Caller, Depends(_caller)]
