"""The SOAP fault for clients of WMTS over SOAP, which is not offered (OGC 06-121r3, 8.6; SOAP 1.1, 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from lazytile.service.http.errors import Failure, one_line
from lazytile.service.http.ows_xml import document, report_element

if TYPE_CHECKING:
    from aiohttp import web

ENVELOPE_1_1 = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE_1_2 = "http://www.w3.org/2003/05/soap-envelope"
TYPE_1_1 = "text/xml"
TYPE_1_2 = "application/soap+xml"
_TEXT = "SOAP is not offered; use GET with KVP or RESTful addresses, as the capabilities describe"


def soap_type(request: web.Request) -> str | None:
    """Return the media type of a SOAP request.

    Args:
        request: Any request.

    Returns:
        The media type of the version of SOAP, None if the request is not SOAP.
    """
    if request.method != "POST":
        return None
    if request.content_type == TYPE_1_2:
        return TYPE_1_2
    is_1_1 = request.content_type == TYPE_1_1 or "SOAPAction" in request.headers
    return TYPE_1_1 if is_1_1 else None


def soap_fault(media_type: str) -> bytes:
    """Return a fault in the client's version of SOAP, with an exception report as its detail.

    Args:
        media_type: What ``soap_type`` returned.

    Returns:
        The document.
    """
    report = report_element(Failure(501, "OperationNotSupported", "request", _TEXT, {}))
    envelope = ENVELOPE_1_2 if media_type == TYPE_1_2 else ENVELOPE_1_1
    root = etree.Element(f"{{{envelope}}}Envelope", nsmap={"soap": envelope})
    fault = etree.SubElement(etree.SubElement(root, f"{{{envelope}}}Body"), f"{{{envelope}}}Fault")
    if media_type == TYPE_1_2:
        code = etree.SubElement(fault, f"{{{envelope}}}Code")
        etree.SubElement(code, f"{{{envelope}}}Value").text = "soap:Sender"
        text = etree.SubElement(etree.SubElement(fault, f"{{{envelope}}}Reason"), f"{{{envelope}}}Text")
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        text.text = one_line(_TEXT)
        detail = etree.SubElement(fault, f"{{{envelope}}}Detail")
    else:
        etree.SubElement(fault, "faultcode").text = "soap:Client"
        etree.SubElement(fault, "faultstring").text = one_line(_TEXT)
        detail = etree.SubElement(fault, "detail")
    detail.append(report)
    return document(root)
