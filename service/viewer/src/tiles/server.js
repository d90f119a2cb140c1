// Requests to the server: retried with back-off while it is away or busy, and who wants to know which it is.

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;
const TRIES_WHEN_BUSY = 6;
const AWAY = new Set([502, 503, 504]);

/** @param {number} seconds @param {AbortSignal | undefined} signal */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** The server's own words if it sent any (an OWS exception report, a problem document, a line of text). @param {Response} response */
export async function failureText(response) {
  const body = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("xml")) {
    const report = new DOMParser().parseFromString(body, "application/xml");
    const exception = report.getElementsByTagNameNS("*", "ExceptionText")[0];
    if (exception) return (exception.textContent ?? "").trim();
  }
  if (type.includes("json")) {
    try {
      const { detail, title } = JSON.parse(body);
      if (detail || title) return String(detail ?? title);
    } catch {
      // Not a problem document after all.
    }
  }
  return type.startsWith("text/plain") && body ? body.split("\n", 1)[0] : response.statusText;
}

/** An answer that will not get better by asking again. */
export class RequestError extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export class Server {
  /** @type {Set<(trouble: {text: string, since: Date} | null) => void>} */
  #watchers = new Set();
  /** @type {{text: string, since: Date} | null} */
  #trouble = null;
  /** @type {Set<() => void>} */
  #waiting = new Set();

  /** @param {string} base URL of the page's folder. */
  constructor(base) {
    this.base = base;
    window.addEventListener("online", () => this.hurry());
  }

  /** Null while the server answers, else what is wrong since when. */
  get trouble() {
    return this.#trouble;
  }

  /** @param {(trouble: {text: string, since: Date} | null) => void} callback */
  watch(callback) {
    this.#watchers.add(callback);
    callback(this.#trouble);
    return () => this.#watchers.delete(callback);
  }

  /** Ends all waiting for the next try. */
  hurry() {
    for (const wake of [...this.#waiting]) wake();
  }

  /** @param {string | null} text */
  #report(text) {
    if (text === null ? this.#trouble === null : this.#trouble?.text === text) return;
    this.#trouble = text === null ? null : { text, since: this.#trouble?.since ?? new Date() };
    if (text === null) this.hurry();
    for (const watcher of this.#watchers) watcher(this.#trouble);
  }

  /** @param {number} seconds @param {AbortSignal | undefined} signal */
  async #wait(seconds, signal) {
    const end = new AbortController();
    const wake = () => end.abort();
    this.#waiting.add(wake);
    try {
      await pause(seconds, signal ? AbortSignal.any([signal, end.signal]) : end.signal);
    } catch {
      signal?.throwIfAborted();
    } finally {
      this.#waiting.delete(wake);
    }
  }

  /**
   * Returns the response with status 200 or 304. Asks again as long as the server is away, and a few times while it
   * is busy. @param {string} path Below the page's folder, or a whole URL. @param {RequestInit} [options]
   */
  async fetch(path, options = {}) {
    const url = new URL(path, this.base).href;
    const signal = options.signal ?? undefined;
    for (let attempt = 0; ; attempt += 1) {
      let wait = Math.min(FIRST_WAIT_S * 2 ** attempt, LONGEST_WAIT_S);
      try {
        const response = await fetch(url, options);
        if (response.ok || response.status === 304) {
          this.#report(null);
          return response;
        }
        if (!AWAY.has(response.status)) {
          this.#report(null);
          throw new RequestError(response.status, await failureText(response));
        }
        const asked = Number(response.headers.get("Retry-After"));
        if (asked > 0) wait = Math.min(asked, LONGEST_WAIT_S);
        // A busy server answers some requests; only what lasts is trouble.
        if (attempt > 0) this.#report(`The server is not ready (${response.status})`);
        if (response.status === 504 && attempt >= TRIES_WHEN_BUSY) throw new RequestError(504, await failureText(response));
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof RequestError) throw error;
        this.#report("The server does not answer");
      }
      await this.#wait(wait * (0.75 + Math.random() / 2), signal);
    }
  }

  /** Returns a JSON document. @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
  async json(path, options) {
    return (await this.fetch(path, options)).json();
  }
}
