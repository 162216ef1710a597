"""The ``radcopilot`` command: errors are one line with the remedy, and the exit status tells."""

import sys
from typing import Final

import typer

from copilot.cli.agent import app as agent_app
from copilot.cli.ask import ask
from copilot.cli.backup import backup
from copilot.cli.check import check
from copilot.cli.compare import compare
from copilot.cli.console import complain, one_command
from copilot.cli.demo import demo
from copilot.cli.evaluate import evaluate
from copilot.cli.fetch import fetch
from copilot.cli.finetune import finetune
from copilot.cli.guideline import app as guideline_app
from copilot.cli.jobs import app as jobs_app
from copilot.cli.measure import measure
from copilot.cli.models import app as models_app
from copilot.cli.ohif import app as ohif_app
from copilot.cli.records import audit_app
from copilot.cli.report import app as report_app
from copilot.cli.rules import app as rules_app
from copilot.cli.serve import serve
from copilot.cli.studies import app as studies_app
from copilot.cli.surface import surface
from copilot.cli.templates import app as templates_app
from copilot.cli.transcribe import transcribe
from copilot.cli.users import app as users_app
from copilot.cli.worker import worker
from domain.errors import CannotDoError, InputError, RadcopilotError

FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

app = typer.Typer(
    name="radcopilot",
    help="The copilot at a radiologist's reading station.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    serve,
    worker,
    check,
    backup,
    ask,
    transcribe,
    measure,
    surface,
    compare,
    evaluate,
    finetune,
    fetch,
):
    app.command()(command)
app.add_typer(models_app, name="models")
app.add_typer(ohif_app, name="ohif")
app.add_typer(studies_app, name="studies")
app.add_typer(audit_app, name="audit")
app.add_typer(agent_app, name="agent")
app.add_typer(jobs_app, name="jobs")
app.add_typer(rules_app, name="rules")
app.add_typer(report_app, name="report")
app.add_typer(users_app, name="users")
app.add_typer(guideline_app, name="guideline")
app.add_typer(templates_app, name="templates")


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit status."""
    try:
        with one_command():
            status = typer.main.get_command(app).main(
                arguments, prog_name="radcopilot", standalone_mode=False
            )
    except typer.TyperException as error:  # a wrong option or argument; help was asked without any
        message = str(error) or getattr(error, "message", "")
        if message:
            complain(f"{message.rstrip('.')}: see 'radcopilot --help'.")
        return BAD_INPUT
    except (InputError, CannotDoError) as error:
        complain(str(error))
        return BAD_INPUT
    except RadcopilotError as error:
        complain(str(error))
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return status if isinstance(status, int) else 0
