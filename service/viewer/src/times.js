// ISO 8601 instants as the capabilities list them, and as people read them.

/** What a list may grow to: a slider cannot tell more apart, and a slip in a period must not fill the memory. */
const MOST_VALUES = 100_000;

const PERIOD = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?Z?)?$/;

/** The instant `count` steps after `start`. Months are the calendar's, so that steps of a month keep the day. */
function after(start, [years, months, days, hours, minutes, seconds], count) {
  const instant = new Date(start);
  instant.setUTCMonth(instant.getUTCMonth() + count * (12 * years + months));
  return new Date(instant.getTime() + count * 1000 * (86400 * days + 3600 * hours + 60 * minutes + seconds));
}

/** Writes an instant to the precision that `like` has. */
function spell(instant, like) {
  const text = instant.toISOString();
  if (!like.includes("T")) return text.slice(0, 10);
  return like.includes(".") ? text : text.replace(".000Z", "Z");
}

/** "start/end/period" as the list of its instants; any other text as itself. */
function expand(value) {
  const [first, last, period] = value.split("/");
  const step = PERIOD.exec(period ?? "")?.slice(1).map((number) => Number(number ?? 0));
  if (!step?.some((number) => number > 0)) return [value];
  const end = new Date(last);
  const instants = [];
  for (let count = 0; instants.length < MOST_VALUES; count += 1) {
    const instant = after(new Date(first), step, count);
    if (!(instant <= end)) break;
    instants.push(spell(instant, first));
  }
  return instants;
}

/** All values of a time dimension, its periods written out. */
export function expandPeriods(values) {
  return values.flatMap(expand).slice(0, MOST_VALUES);
}

/** A function that writes any of these times as people do: midnight is left out where every time is one. */
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
