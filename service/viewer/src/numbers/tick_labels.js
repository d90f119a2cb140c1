// Labels of a chart's axis: times or other labels.

/** @param {string} label A time or another label; midnight is left out. */
export const short = (label) => label.replace(/T00:00:00(\.0+)?Z?$/, "").replace("T", " ").replace(/(:00)?Z$/, "");

/** Ticks that tell their labels apart: dates, or the time of day too where several are of one day. @param {string[]} labels */
export function tickLabels(labels) {
  const dates = labels.map((label) => short(label).slice(0, 10));
  const isOfOneDay = dates.some((date, at) => date !== "" && date === dates[at - 1]);
  if (!isOfOneDay || !labels.every((label) => label === "" || label.includes("T"))) return dates;
  return labels.map((label) => label.slice(5, 16).replace("T", " "));
}
