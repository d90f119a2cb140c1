// The state of the page as the fragment of its URL.

const number = (text) => (text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined);

/** Parses a fragment. Absent or malformed values are undefined; the caller checks whether the names exist. */
export function parse(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name) => fields.get(name) || undefined;
  const at = (fields.get("at") ?? "").split(",").map(number);
  const opacity = number(fields.get("opacity"));
  const dimensions = [...fields].filter(([name]) => name.startsWith("dim."));
  return {
    layer: text("layer"),
    style: text("style"),
    time: text("time"),
    projection: text("crs"),
    set: text("set"),
    opacity: opacity === undefined ? undefined : Math.min(1, Math.max(0, opacity)),
    position: at.length === 3 && !at.includes(undefined) ? { center: [at[0], at[1]], zoom: at[2] } : undefined,
    dimensions: Object.fromEntries(dimensions.map(([name, value]) => [name.slice(4), value])),
  };
}

/** Formats a fragment that `parse` can read. Colons, commas and slashes stay unescaped, as a fragment allows. */
export function format({ layer, style, time, projection, set, opacity, position, dimensions }) {
  const [longitude, latitude] = position.center.map((degrees) => Number(degrees.toFixed(4)));
  const fields = {
    layer,
    style,
    time,
    crs: projection,
    set,
    opacity: opacity === 1 ? undefined : String(opacity),
    at: `${longitude},${latitude},${Number(position.zoom.toFixed(2))}`,
    ...Object.fromEntries(Object.entries(dimensions).map(([name, value]) => [`dim.${name}`, value])),
  };
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `#${new URLSearchParams(present)}`.replace(/%(3A|2C|2F)/g, decodeURIComponent);
}
