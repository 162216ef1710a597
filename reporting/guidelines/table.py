"""What every rule table answers, and how it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import CannotDoError


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What a table says of a case.

    Attributes
    ----------
    edition
        Title, authors, year and place of the edition that was followed.
    category
        The row, in our words.
    says
        What that row recommends, in our words.
    line
        Where in the edition the row stands, and the inputs that led to it.
    cautions
        What a reader must weigh that the table does not.
    """

    edition: str
    category: str
    says: str
    line: str
    cautions: tuple[str, ...] = ()


def require(edition: str, inputs: Mapping[str, object]) -> None:
    """Refuse to go on without every input.

    Raises
    ------
    CannotDoError
        Naming all that is missing.
    """
    missing = [name for name, value in inputs.items() if value is None]
    if missing:
        raise CannotDoError(
            f"{edition} needs {', '.join(missing)}: no category is given without; state it"
        )
