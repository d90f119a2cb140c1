"""The schemas of the validation agree with those that the OGC publishes today."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.schemas import XS, correct, packaged, schema
from tests.shared import shared

FILES = [
    *(("ows", "1.1.0", f"ows{name}.xsd") for name in ("Common", "DomainType", "ExceptionReport", "OperationsMetadata")),
    ("wmts", "1.0", "wmtsGetCapabilities_response.xsd"),
    ("wmts", "1.0", "wmts.xsd"),
]


def meaning(path):
    """What a schema declares: names and rules, without its documentation, and where it takes others from."""
    parser = etree.XMLParser(remove_comments=True, remove_blank_text=True)
    document = etree.parse(str(path), parser)
    correct(document)
    for note in document.findall(f".//{XS}annotation"):
        note.getparent().remove(note)
    return {
        name: sorted(
            tuple(sorted((key, value) for key, value in element.items() if key not in ("schemaLocation", "version")))
            for element in document.getroot().iter(f"{XS}{name}")
            if element.get("name") not in ("KnownResourceTypeCodeType", "ResourceTypeCodeType")
        )
        for name in ("element", "attribute", "complexType", "extension", "choice", "sequence")
    }


@pytest.mark.parametrize("parts", FILES, ids=lambda parts: parts[-1])
def test_the_packaged_schema_says_what_the_published_one_says(parts):
    assert meaning(packaged().joinpath(*parts)) == meaning(shared("schemas", *parts))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<ExceptionReport xmlns="http://www.opengis.net/ows/1.1" version="1.0.0"/>', "Exception"),
        ("<ExceptionReport/>", "No matching global declaration"),
    ],
)
def test_a_wrong_document_is_seen(text, fault):
    with pytest.raises(etree.DocumentInvalid, match=fault):
        schema("ows", "1.1.0", "owsExceptionReport.xsd").assertValid(etree.fromstring(text))
