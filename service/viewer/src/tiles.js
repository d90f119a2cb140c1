// Fetching one tile: retries when the server is busy, and words for what went wrong.

import TileState from "ol/TileState.js";

const RETRIES = 4;
const LONGEST_WAIT_S = 10;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** The server's own words where it gave any: an OWS exception report, or one line of text. */
async function reason(response) {
  const body = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("xml")) {
    const report = new DOMParser().parseFromString(body, "application/xml");
    const exception = report.getElementsByTagNameNS("*", "ExceptionText")[0];
    if (exception) return exception.textContent.trim();
  }
  return type.startsWith("text/plain") && body ? body.split("\n", 1)[0] : response.statusText;
}

/** A busy server says 503 and when to come back; anything else is final. */
async function fetchTile(address, signal) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(address, { signal });
    if (response.ok) return response.blob();
    if (response.status !== 503 || attempt === RETRIES) {
      throw new Error(`tile not shown, ${response.status}: ${await reason(response)}`);
    }
    const asked = Number(response.headers.get("Retry-After")) || 1;
    await pause(Math.min(asked, LONGEST_WAIT_S) * (0.75 + Math.random() / 2));
  }
}

/**
 * A tileLoadFunction for OpenLayers. `signal` ends the requests of a layer that is shown no more, so that the server
 * can drop their work too; `onError` gets one line of text.
 */
export function tileLoader(signal, onError) {
  return async (tile, address) => {
    try {
      const blob = URL.createObjectURL(await fetchTile(address, signal));
      const image = tile.getImage();
      for (const end of ["load", "error"]) image.addEventListener(end, () => URL.revokeObjectURL(blob), { once: true });
      image.src = blob;
    } catch (error) {
      if (!signal.aborted) onError(error.message);
      tile.setState(TileState.ERROR);
    }
  };
}
