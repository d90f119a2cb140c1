"""XML of OGC web services: namespaces, elements, numbers, exception reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from lazytile.service.http.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.http.errors import Failure

WMTS = "http://www.opengis.net/wmts/1.0"
OWS = "http://www.opengis.net/ows/1.1"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CONTENT_TYPE = "application/xml"

_NAMESPACES = {None: WMTS, "ows": OWS, "xlink": XLINK, "xsi": XSI}
WMTS_SCHEMA = f"{WMTS} http://schemas.opengis.net/wmts/1.0/wmtsGetCapabilities_response.xsd"
_OWS_SCHEMA = f"{OWS} http://schemas.opengis.net/ows/1.1.0/owsExceptionReport.xsd"

Attributes = dict[str, str]


def root(name: str, attributes: Mapping[str, str]) -> etree._Element:
    """Return a root element in the WMTS namespace that declares every prefix its children use.

    Args:
        name: Local name.
        attributes: Attributes by name.

    Returns:
        The element.
    """
    return etree.Element(f"{{{WMTS}}}{name}", dict(attributes), nsmap=_NAMESPACES)


def add(
    parent: etree._Element, name: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> etree._Element:
    """Append an element.

    Args:
        parent: The element to append to.
        name: Local name in the WMTS namespace, or in that of OWS after ``ows:``.
        text: Content; control characters become blanks.
        attributes: Attributes by name.

    Returns:
        The new element.
    """
    tag = f"{{{OWS}}}{name[4:]}" if name.startswith("ows:") else f"{{{WMTS}}}{name}"
    child = etree.SubElement(parent, tag, dict(attributes) if attributes else None)
    if text is not None:
        child.text = one_line(text)
    return child


def link(address: str) -> Attributes:
    """Return the attribute of a link.

    Args:
        address: The URL.

    Returns:
        ``xlink:href``.
    """
    return {f"{{{XLINK}}}href": address}


def role(name: str) -> Attributes:
    """Return the attributes that state the purpose of a link.

    Args:
        name: URI of the role.

    Returns:
        ``xlink:type`` and ``xlink:role``.
    """
    return {f"{{{XLINK}}}type": "simple", f"{{{XLINK}}}role": name}


def double(value: float) -> str:
    """Format a number as xs:double.

    Args:
        value: A finite number.

    Returns:
        The shortest text that parses to the same number.
    """
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def children(element: etree._Element) -> bytes:
    """Serialize the children of an element without namespace declarations.

    Args:
        element: An element made by ``root``.

    Returns:
        UTF-8 to insert into a document with such a root.
    """
    text = etree.tostring(element, encoding="UTF-8")
    return text[text.index(b">") + 1 : text.rindex(b"</")] if len(element) else b""


def document(element: etree._Element) -> bytes:
    """Serialize a document.

    Args:
        element: The root element.

    Returns:
        UTF-8 with an XML declaration.
    """
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def exception_report(failure: Failure) -> bytes:
    """Return an ows:ExceptionReport as a document (OGC 06-121r3, 8; the version is that of WMTS).

    Args:
        failure: What went wrong.

    Returns:
        The document.
    """
    return document(report_element(failure))


def report_element(failure: Failure) -> etree._Element:
    """Return an ows:ExceptionReport as an element.

    Args:
        failure: What went wrong.

    Returns:
        The element.
    """
    report = etree.Element(f"{{{OWS}}}ExceptionReport", nsmap={None: OWS, "xsi": XSI})
    report.set(f"{{{XSI}}}schemaLocation", _OWS_SCHEMA)
    report.set("version", "1.0.0")
    report.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    for code in filter(None, (failure.code, failure.second_code)):
        exception = etree.SubElement(report, f"{{{OWS}}}Exception", exceptionCode=code)
        if failure.locator is not None:
            exception.set("locator", one_line(failure.locator))
        etree.SubElement(exception, f"{{{OWS}}}ExceptionText").text = one_line(failure.text)
    return report
