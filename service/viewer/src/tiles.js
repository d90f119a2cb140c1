// Fetching one tile: retries if the server is busy, and a message if the request fails.

import TileState from "ol/TileState.js";

const RETRIES = 4;
const LONGEST_WAIT_S = 10;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Returns the server's own message if it sent one (an OWS exception report or one line of text), else the status text. */
async function failureText(response) {
  const body = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("xml")) {
    const report = new DOMParser().parseFromString(body, "application/xml");
    const exception = report.getElementsByTagNameNS("*", "ExceptionText")[0];
    if (exception) return exception.textContent.trim();
  }
  return type.startsWith("text/plain") && body ? body.split("\n", 1)[0] : response.statusText;
}

/** Retries after 503, which a busy server sends with Retry-After; any other failure is final. */
async function fetchTile(address, signal) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(address, { signal });
    if (response.ok) return response.blob();
    if (response.status !== 503 || attempt === RETRIES) {
      throw new Error(`Tile not available (${response.status}): ${await failureText(response)}`);
    }
    const waitSeconds = Number(response.headers.get("Retry-After")) || 1;
    await pause(Math.min(waitSeconds, LONGEST_WAIT_S) * (0.75 + Math.random() / 2));
  }
}

/**
 * Returns a tileLoadFunction for OpenLayers. `signal` aborts the requests of a layer that is no longer displayed, so that
 * the server can cancel their work; `onError` receives one line of text.
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
