// Reading the overview, and asking for changes: new datasets and appended times appear without a reload.

import { Catalogue } from "./catalogue.js";

/** @import {Server} from "../tiles/server.js" */

const POLL_MS = 5000;
const PATH = "catalogue";

/** @param {Server} server @param {AbortSignal} [signal] */
export async function loadCatalogue(server, signal) {
  const response = await server.fetch(PATH, { signal });
  return new Catalogue(await response.json(), response.headers.get("ETag") ?? "");
}

/**
 * Asks every few seconds, while the page is visible, whether the overview has changed, and calls back with the new one.
 * It is also how an idle page learns that the server is away.
 * @param {Server} server @param {() => Catalogue} current @param {(catalogue: Catalogue) => void} onChange
 */
export async function followCatalogue(server, current, onChange) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (document.hidden) continue;
    try {
      const response = await server.fetch(PATH, { headers: { "If-None-Match": current().digest }, cache: "no-store" });
      const digest = response.headers.get("ETag") ?? "";
      if (response.status !== 304 && digest !== current().digest) onChange(new Catalogue(await response.json(), digest));
    } catch {
      // The next turn asks again.
    }
  }
}
