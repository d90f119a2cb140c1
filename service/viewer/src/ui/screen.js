// What kind of screen the page is on.

/** Whether a CSS pixel has two or more device pixels a side, so that tiles of twice the pixels are worth their bytes. */
export const isRetina = () => globalThis.devicePixelRatio >= 1.5;

/** Whether panels are sheets at the bottom. */
export const isNarrow = () => globalThis.matchMedia("(max-width: 640px)").matches;

/** Whether people asked for less motion. */
export const prefersStill = () => globalThis.matchMedia("(prefers-reduced-motion: reduce)").matches;
