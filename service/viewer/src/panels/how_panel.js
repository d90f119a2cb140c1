// The panel that tells how the picture was made: from the Server-Timing of the tiles that the page has loaded.

import { h } from "../ui/dom.js";

/** @import {Panel} from "../types.js" */

/** What people call the stages. @type {Record<string, string>} */
const NAMES = {
  resolve: "Read the address",
  mrf: "Look into exported MRFs",
  disk: "Look into the cache on disk",
  queue: "Wait for a free thread",
  render: "Render: read, map, colour, encode",
  store: "Hand over to the cache",
};
/** The counters of chunks among the metrics of the server. */
const COUNTERS = /^lazytile_chunk_(reads|read_bytes)_total(?:\{[^}]*\})? (\S+)$/gm;
/** Where a tile came from, in the order of their speed. @type {Record<string, string>} */
const TIERS = { memory: "From the memory of the server", mrf: "From an exported MRF", disk: "From the cache on disk", computed: "Computed", shared: "From the shared cache" };
const STAGES = ["resolve", "mrf", "disk", "queue", "render", "plan", "read", "map", "colour", "encode", "store"];
const RECENT = 400;

/**
 * What the tiles of the last while have in common.
 * @param {{description: string, name: string, duration: number}[][]} timings Of each tile.
 */
export function summary(timings) {
  /** @type {Map<string, number>} */
  const tiers = new Map();
  /** @type {Map<string, number[]>} */
  const stages = new Map();
  for (const timing of timings) {
    for (const { name, description, duration } of timing) {
      if (name === "cache") tiers.set(description, (tiers.get(description) ?? 0) + 1);
      else if (name !== "chunks") stages.set(name, [...(stages.get(name) ?? []), duration]);
    }
  }
  const total = [...tiers.values()].reduce((sum, count) => sum + count, 0);
  const warm = total - (tiers.get("computed") ?? 0);
  const medians = [...stages].map(([name, durations]) => /** @type {[string, number]} */ ([name, durations.toSorted((a, b) => a - b)[durations.length >> 1]]));
  const rank = (/** @type {string} */ name) => (STAGES.includes(name) ? STAGES.indexOf(name) : STAGES.length);
  return { total, warm, tiers: [...tiers], medians: medians.toSorted(([a], [b]) => rank(a) - rank(b)) };
}

/** The chunks and bytes that the server has read, by its metrics; null where it has none. @param {string} metrics */
export function chunksOf(metrics) {
  const found = [...metrics.matchAll(COUNTERS)];
  const sum = (/** @type {string} */ name) => found.filter((match) => match[1] === name).reduce((total, match) => total + Number(match[2]), 0);
  return found.length > 0 ? { chunks: sum("reads"), bytes: sum("read_bytes") } : null;
}

/** @type {Panel} */
export const howPanel = {
  id: "how",
  title: "How it was made",
  key: "i",
  icon: '<circle cx="8" cy="9" r="5.500"/><path d="M8 9V5.500M6.500 1.500h3"/>',
  mount(body, context) {
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let timer;
    const tiles = h("dl", { class: "figures" });
    const stages = h("dl", { class: "figures" });
    const engine = h("p", { class: "hint" });
    const chunks = h("p", { class: "hint" });
    body.append(h("h3", {}, "Tiles on this page"), tiles, h("h3", {}, "Median of each stage"), stages, engine, chunks);
    performance.setResourceTimingBufferSize(2000);

    const show = () => {
      const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
      const timings = entries.filter(({ serverTiming }) => serverTiming.some(({ name }) => name === "cache")).slice(-RECENT).map(({ serverTiming }) => [...serverTiming]);
      const { total, warm, tiers, medians } = summary(timings);
      const share = total > 0 ? `${Math.round((100 * warm) / total)} %` : "–";
      const rows = [["Loaded", String(total)], ["Found ready", share], ...tiers.map(([tier, count]) => [TIERS[tier] ?? tier, String(count)])];
      tiles.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
      stages.replaceChildren(...medians.flatMap(([name, value]) => [h("dt", { title: name }, NAMES[name] ?? name), h("dd", {}, `${value.toFixed(2)} ms`)]));
    };
    const askEngine = async () => {
      const found = await context.server.json("readyz").catch(() => null);
      if (found) engine.textContent = `Engine: ${found.engine}. Kernel: ${found.kernel}.`;
    };
    /** @type {{chunks: number, bytes: number} | null} */
    let first = null;
    const askChunks = async () => {
      const response = await context.server.fetch("metrics").catch(() => null);
      const now = response && chunksOf(await response.text());
      if (!now) return;
      first ??= now;
      const since = (now.chunks - first.chunks).toLocaleString("en");
      chunks.textContent = `Chunks read by the server: ${now.chunks.toLocaleString("en")} (${(now.bytes / 1e6).toFixed(1)} MB), ${since} of them since this panel was opened.`;
    };
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let slow;
    return {
      opened() {
        show();
        askEngine();
        askChunks();
        slow = setInterval(askChunks, 5000);
        timer = setInterval(show, 1000);
      },
      closed() {
        clearInterval(timer);
        clearInterval(slow);
      },
    };
  },
};
