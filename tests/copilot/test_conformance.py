"""The conformance statement on the page is what the code does now."""

from typing import get_args

from pydicom.uid import UID
from pynetdicom import AE

from copilot.conformance import OBJECTS, statement
from copilot.settings import Kind
from dicom_node.presentation import offered_contexts


def test_the_page_is_what_the_code_says_now(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert page == statement(), "run: python -m copilot.conformance > docs/conformance.md"


def test_every_kind_of_object_is_in_it():
    assert set(OBJECTS) == {*get_args(Kind), "rejection note"}


def test_what_it_lists_is_what_the_running_node_takes(node):
    said = statement()
    for context in offered_contexts()[:120:7]:
        name = UID(str(context.abstract_syntax)).name
        ae = AE()
        ae.add_requested_context(context.abstract_syntax, context.transfer_syntax[0])
        association = ae.associate("127.0.0.1", node.port)
        assert association.is_established, name
        association.release()
        assert f"| {name} |" in said
