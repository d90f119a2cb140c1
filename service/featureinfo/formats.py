"""The formats of GetFeatureInfo: JSON, GeoJSON, HTML, plain text and GML Simple Features."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.service.featureinfo.documents import feature_collection, feature_info, feature_properties
from lazytile.service.http.errors import one_line
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.ows_xml import XSI, document, double

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.catalog.feature_info import FeatureInfo

GML = "http://www.opengis.net/gml"
GML_SCHEMA_URL = "http://schemas.opengis.net/gml/3.1.1/base/gml.xsd"
SAMPLE = "urn:lazytile:feature-info:1"
"""Namespace of the only feature type."""
CRS84 = "urn:ogc:def:crs:OGC:1.3:CRS84"
SCHEMA_PATH = "1.0.0/featureInfo.xsd"
"""Path of the application schema of the GML, below an endpoint."""

SAMPLE_SCHEMA = f"""<?xml version="1.0" encoding="UTF-8"?>
<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:gml="{GML}" xmlns:lt="{SAMPLE}"
        targetNamespace="{SAMPLE}" elementFormDefault="qualified" version="1.0">
  <import namespace="{GML}" schemaLocation="{GML_SCHEMA_URL}"/>
  <element name="Sample" type="lt:SampleType" substitutionGroup="gml:_Feature"/>
  <complexType name="SampleType">
    <complexContent>
      <extension base="gml:AbstractFeatureType">
        <sequence>
          <element name="layer" type="string"/>
          <element name="title" type="string"/>
          <element name="style" type="string"/>
          <element name="value" type="double" minOccurs="0"/>
          <element name="units" type="string" minOccurs="0"/>
          <element name="label" type="string" minOccurs="0"/>
          <element name="colour" type="string" minOccurs="0"/>
          <element name="time" type="string" minOccurs="0"/>
          <element name="dimension" minOccurs="0" maxOccurs="unbounded">
            <complexType>
              <simpleContent>
                <extension base="string"><attribute name="name" type="string" use="required"/></extension>
              </simpleContent>
            </complexType>
          </element>
          <element name="level" type="integer" minOccurs="0"/>
          <element name="row" type="integer" minOccurs="0"/>
          <element name="col" type="integer" minOccurs="0"/>
          <element name="crs" type="anyURI"/>
          <element name="x" type="double"/>
          <element name="y" type="double"/>
          <element name="position" type="gml:PointPropertyType" minOccurs="0"/>
        </sequence>
      </extension>
    </complexContent>
  </complexType>
</schema>
"""


@dataclass(frozen=True, slots=True)
class InfoFormat:
    """A format of a response."""

    mime: str
    extension: str
    write: Callable[[FeatureInfo, str], bytes]
    """Writes the information; its second argument is the URL of ``SAMPLE_SCHEMA``."""

    @property
    def content_type(self) -> str:
        """Content-Type of the response."""
        return f"{self.mime}; charset=utf-8" if self.mime.startswith("text/") else self.mime


def _json(info: FeatureInfo, schema_url: str) -> bytes:
    del schema_url
    return json_bytes(feature_info(info))


def _geojson(info: FeatureInfo, schema_url: str) -> bytes:
    del schema_url
    return json_bytes(feature_collection(info))


def _lines(info: FeatureInfo) -> list[tuple[str, str]]:
    """Return what people read, as name and text."""
    value = "no data" if info.value is None else f"{info.value:.12g} {info.units}".strip()
    lines = [("layer", info.layer), ("title", info.title), ("value", value)]
    if info.label:
        lines.append(("label", info.label))
    lines += [(name.lower() if name == "Time" else name, label) for name, label in info.dimensions.items()]
    if info.longitude is not None and info.latitude is not None:
        lines.append(("longitude", f"{info.longitude:.6f}"))
        lines.append(("latitude", f"{info.latitude:.6f}"))
    if info.cell is not None:
        lines.append(("cell", f"row {info.cell.row}, column {info.cell.col} of level {info.cell.level}"))
    return [(one_line(name), one_line(text)) for name, text in lines]


def _text(info: FeatureInfo, schema_url: str) -> bytes:
    del schema_url
    return "".join(f"{name}: {text}\n" for name, text in _lines(info)).encode()


def _html(info: FeatureInfo, schema_url: str) -> bytes:
    del schema_url
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>\n' for name, text in _lines(info)
    )
    head = f'<html lang="en"><head><meta charset="utf-8"><title>{escape(one_line(info.layer))}</title></head>'
    return f"<!doctype html>\n{head}\n<body><table>\n{rows}</table></body></html>\n".encode()


def _gml(info: FeatureInfo, schema_url: str) -> bytes:
    root = etree.Element(f"{{{GML}}}FeatureCollection", nsmap={"gml": GML, "lt": SAMPLE, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{SAMPLE} {schema_url}")
    member = etree.SubElement(root, f"{{{GML}}}featureMember")
    sample = etree.SubElement(member, f"{{{SAMPLE}}}Sample")
    sample.set(f"{{{GML}}}id", "sample-1")

    def add(name: str, text: str) -> etree._Element:
        element = etree.SubElement(sample, f"{{{SAMPLE}}}{name}")
        element.text = one_line(text)
        return element

    for name, member_value in feature_properties(info).members().items():
        if isinstance(member_value, dict):
            for dimension, label in member_value.items():
                add("dimension", label).set("name", one_line(dimension))
        elif member_value is not None:
            add(name, double(member_value) if isinstance(member_value, float) else str(member_value))
    if info.longitude is not None and info.latitude is not None:
        position = etree.SubElement(sample, f"{{{SAMPLE}}}position")
        point = etree.SubElement(position, f"{{{GML}}}Point", srsName=CRS84)
        etree.SubElement(point, f"{{{GML}}}pos").text = f"{double(info.longitude)} {double(info.latitude)}"
    return document(root)


INFO_FORMATS = (
    InfoFormat(JSON, "json", _json),
    InfoFormat("application/geo+json", "geojson", _geojson),
    InfoFormat("text/html", "html", _html),
    InfoFormat("text/plain", "txt", _text),
    InfoFormat("application/gml+xml", "gml", _gml),
)
MAP_INFO_FORMATS = (
    # Clients of WMS read GeoJSON under this name (OpenLayers and Cesium: a member ``features``), WMTS has our own JSON.
    InfoFormat(JSON, "json", _geojson),
    *INFO_FORMATS[1:],
    InfoFormat("text/xml", "xml", _gml),
)
"""Formats of GetFeatureInfo in WMS."""
INFO_EXTENSIONS = {each.extension: each for each in INFO_FORMATS}


def info_format(mime: str, offered: tuple[InfoFormat, ...] = INFO_FORMATS) -> InfoFormat:
    """Return the format of a media type.

    Args:
        mime: The media type; its parameters are ignored, and a blank stands for ``+``.
        offered: The formats of the protocol.

    Returns:
        The format.

    Raises:
        InvalidParameterError: There is no such format.
    """
    bare = mime.partition(";")[0].strip().replace(" ", "+").lower()
    for each in offered:
        if each.mime == bare:
            return each
    allowed = ", ".join(each.mime for each in offered)
    raise InvalidParameterError("InfoFormat", f"InfoFormat {mime!r} is invalid, it may be {allowed}")
