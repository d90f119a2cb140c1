// Numbers as people read them.

const MINUS = "−";

/** @param {string} text */
const withMinus = (text) => text.replace(/^-/, MINUS).replace("e-", `e${MINUS}`).replace("e+", "e");

/** A number with a number of significant digits. @param {number} value */
export function formatNumber(value, digits = 4) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? `${MINUS}∞` : "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return withMinus(Number(value.toPrecision(digits)).toExponential().replace(/(\.\d*?)0+e/, "$1e"));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return withMinus(String(Number(value.toFixed(Math.min(decimals, 8)))));
}

/** A size with four significant digits, in full. @param {number} value */
export const formatLarge = (value) => (value >= 1e4 ? Number(value.toPrecision(4)).toLocaleString("en") : formatNumber(value));

/** A number as fine as a step, for ticks of one axis. @param {number} value @param {number} step */
export function formatTick(value, step) {
  if (Math.abs(value) < step * 1e-9) return "0";
  const size = Math.max(Math.abs(value), step);
  if (size >= 1e6 || step < 1e-5) return formatNumber(value, 4);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const fixed = value.toFixed(decimals);
  // 2.5 needs one digit more than its power of ten says.
  return withMinus(Math.abs(Number(fixed) - value) > step * 1e-6 ? value.toFixed(decimals + 1) : fixed);
}

/** A value with its units. @param {number | null | undefined} value @param {import("./units.js").Display} display */
export function formatValue(value, display, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "no data";
  const text = formatNumber(value + display.shift, digits);
  return display.units ? `${text}${display.units.startsWith("°") && display.units.length === 1 ? "" : " "}${display.units}` : text;
}

/** Round numbers that cover a range. @param {number} low @param {number} high @param {number} [most] */
export function ticksOf(low, high, most = 6) {
  const width = high - low;
  if (!(width > 0) || !Number.isFinite(width)) return { step: 1, ticks: [low] };
  const rough = width / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (/** @type {number} */ ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9))));
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) ticks.push(at * step + 0); // no negative zero
  return { step, ticks };
}

/** @param {number} value @param {string} positive @param {string} negative @param {number} digits */
function degrees(value, positive, negative, digits) {
  return `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
}

/** A place as latitude and longitude. @param {[number, number]} lonLat @param {number} [digits] */
export function formatPlace([longitude, latitude], digits = 3) {
  const turned = ((((longitude + 180) % 360) + 360) % 360) - 180;
  return `${degrees(latitude, "N", "S", digits)}, ${degrees(turned, "E", "W", digits)}`;
}
