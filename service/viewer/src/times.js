// ISO 8601 instants: those that the capabilities list, and their display.

/** Limit of a list: a slider cannot resolve more values, and an error in a period must not exhaust the memory. */
const MAX_VALUES = 100_000;

const PERIOD = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?Z?)?$/;

/** Returns the instant `count` steps after `start`, in calendar months, so that monthly steps keep the day. */
function after(start, [years, months, days, hours, minutes, seconds], count) {
  const instant = new Date(start);
  instant.setUTCMonth(instant.getUTCMonth() + count * (12 * years + months));
  return new Date(instant.getTime() + count * 1000 * (86400 * days + 3600 * hours + 60 * minutes + seconds));
}

/** Formats an instant with the precision of `like`. */
function format(instant, like) {
  const text = instant.toISOString();
  if (!like.includes("T")) return text.slice(0, 10);
  return like.includes(".") ? text : text.replace(".000Z", "Z");
}

/** Expands "start/end/period" to the list of its instants; returns any other text unchanged. */
function expand(value) {
  const [first, last, period] = value.split("/");
  const step = PERIOD.exec(period ?? "")?.slice(1).map((number) => Number(number ?? 0));
  if (!step?.some((number) => number > 0)) return [value];
  const end = new Date(last);
  const instants = [];
  for (let count = 0; instants.length < MAX_VALUES; count += 1) {
    const instant = after(new Date(first), step, count);
    if (!(instant <= end)) break;
    instants.push(format(instant, first));
  }
  return instants;
}

/** Returns all values of a time dimension, with its periods expanded. */
export function expandPeriods(values) {
  return values.flatMap(expand).slice(0, MAX_VALUES);
}

/** Returns a function that formats these times for display, without the time of day if all of them are midnight. */
export function timeFormatter(values) {
  const parts = values.map((value) => INSTANT.exec(value));
  const daily = parts.every((part) => part && (part[2] ?? "00:00") === "00:00" && !/[1-9]/.test(part[3] ?? ""));
  const hasSeconds = parts.some((part) => /[1-9]/.test(part?.[3] ?? ""));
  return (value) => {
    const [, day, minute = "00:00", second = ""] = INSTANT.exec(value) ?? [];
    if (!day) return value;
    return daily ? day : `${day} ${minute}${hasSeconds ? second : ""} UTC`;
  };
}
