"""Writing the XML of OGC services: namespaces, elements in one call, doubles, reports of exceptions."""

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
    """Return a document's root in the WMTS namespace, with every prefix that its children use."""
    return etree.Element(f"{{{WMTS}}}{name}", dict(attributes), nsmap=_NAMESPACES)


def add(
    parent: etree._Element, name: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> etree._Element:
    """Append an element and return it. ``name`` is in the WMTS namespace unless it begins with ``ows:``."""
    tag = f"{{{OWS}}}{name[4:]}" if name.startswith("ows:") else f"{{{WMTS}}}{name}"
    child = etree.SubElement(parent, tag, dict(attributes) if attributes else None)
    if text is not None:
        child.text = one_line(text)
    return child


def link(address: str) -> Attributes:
    """Return the attribute that holds an address."""
    return {f"{{{XLINK}}}href": address}


def role(name: str) -> Attributes:
    """Return the attributes that say what a link is for."""
    return {f"{{{XLINK}}}type": "simple", f"{{{XLINK}}}role": name}


def double(value: float) -> str:
    """Write a double so that it reads back the same."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def children(element: etree._Element) -> bytes:
    """Return the children of an element from ``root`` as text to put into a document with that root."""
    text = etree.tostring(element, encoding="UTF-8")
    return text[text.index(b">") + 1 : text.rindex(b"</")] if len(element) else b""


def document(element: etree._Element) -> bytes:
    """Return a document as UTF-8."""
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def exception_report(failure: Failure) -> bytes:
    """Return an ows:ExceptionReport (OGC 06-121r3, 8; the version is that of WMTS)."""
    return document(report_element(failure))


def report_element(failure: Failure) -> etree._Element:
    """Return an ows:ExceptionReport to put into another document."""
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
