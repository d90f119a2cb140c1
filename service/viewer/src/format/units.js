// Units as people write them.

/** Spellings that have a form of their own, in lower case. @type {Record<string, string>} */
const NAMED = {
  k: "K",
  kelvin: "K",
  kelvins: "K",
  deg_k: "K",
  degk: "K",
  c: "°C",
  celsius: "°C",
  degc: "°C",
  deg_c: "°C",
  degree_c: "°C",
  degrees_c: "°C",
  degree_celsius: "°C",
  degrees_celsius: "°C",
  "°c": "°C",
  f: "°F",
  fahrenheit: "°F",
  degree_fahrenheit: "°F",
  degrees_fahrenheit: "°F",
  degree: "°",
  degrees: "°",
  deg: "°",
  degrees_north: "° N",
  degrees_east: "° E",
  degree_north: "° N",
  degree_east: "° E",
  percent: "%",
  pct: "%",
  meter: "m",
  meters: "m",
  metre: "m",
  metres: "m",
  kilometer: "km",
  kilometers: "km",
  kilometre: "km",
  kilometres: "km",
  millimeter: "mm",
  millimeters: "mm",
  pascal: "Pa",
  pascals: "Pa",
  hectopascal: "hPa",
  millibar: "hPa",
  millibars: "hPa",
  mb: "hPa",
  seconds: "s",
  second: "s",
  hours: "h",
  hour: "h",
  hr: "h",
  days: "d",
  day: "d",
  gram: "g",
  grams: "g",
  kilogram: "kg",
  kilograms: "kg",
  watt: "W",
  watts: "W",
  "1": "",
  none: "",
  unitless: "",
  dimensionless: "",
  "0-1": "",
  fraction: "",
};
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const FACTOR = /^([A-Za-zµμ°%_]+)(?:(?:\*\*|\^)?(-?\d+))?$/;

/** @param {string | number} power */
const raised = (power) => [...String(power)].map((digit) => /** @type {any} */ (RAISED)[digit] ?? digit).join("");

/** Returns units as people write them: `m s-1` and `m/s` become `m s⁻¹`, `degrees_C` becomes `°C`. @param {string} units */
export function prettyUnits(units) {
  const text = units.trim();
  const named = NAMED[text.toLowerCase()];
  if (named !== undefined) return named;
  if (/^10?\^?-?\d|^1e-?\d/i.test(text)) {
    const power = /^1e(-?\d+)$/i.exec(text)?.[1] ?? /^10\^?(-?\d+)$/.exec(text)?.[1];
    return power ? `10${raised(Number(power))}` : text;
  }
  if (/ since /.test(text)) return text;
  const [above, ...below] = text.split("/");
  const parts = [
    ...factors(above, 1),
    ...below.flatMap((part) => factors(part, -1)),
  ];
  return parts.length > 0 && parts.every(Boolean) ? parts.join(" ") : text;
}

/** @param {string} text @param {1 | -1} sign */
function factors(text, sign) {
  return text
    .replaceAll("**", "^")
    .split(/[\s.·*]+/)
    .filter((part) => part && part !== "1")
    .map((part) => {
      const [, name, power = "1"] = FACTOR.exec(part) ?? [];
      if (!name) return "";
      const exponent = sign * Number(power);
      const symbol = NAMED[name.toLowerCase()] ?? name;
      const isKnown = name.length > 1 || !["c", "f"].includes(name.toLowerCase());
      return `${isKnown && symbol ? symbol : name}${exponent === 1 ? "" : raised(exponent)}`;
    });
}

/** Whether values in these units may be shown as degrees Celsius. @param {string} units */
export const isKelvin = (units) => prettyUnits(units) === "K";

/** Titles of differences of temperatures, of which 1 K is 1 °C. */
const DIFFERENCE = /anomal|departure|difference|tendency|deviation|error|uncertainty|(?:^|[ _])bias(?:[ _]|$)/i;

/**
 * How values are shown.
 * @typedef {{units: string, shift: number}} Display `shift` is added to a value in the layer's units.
 */

/**
 * Returns how a layer's values are shown; kelvin as degrees Celsius if people like.
 * @param {{units: string, title?: string, longName?: string, variable?: string}} layer @param {boolean} celsius @returns {Display}
 */
export function displayOf(layer, celsius) {
  const units = prettyUnits(layer.units);
  if (!celsius || units !== "K") return { units, shift: 0 };
  const title = `${layer.title ?? ""} ${layer.longName ?? ""} ${layer.variable ?? ""}`;
  return { units: "°C", shift: DIFFERENCE.test(title) ? 0 : -273.15 };
}
