// Light and dark: the system's, or the choice of the person.

const KEY = "lazytile-theme";
export const THEMES = ["system", "dark", "light"];

/** The choice. */
export function theme() {
  try {
    const kept = localStorage.getItem(KEY) ?? "";
    return THEMES.includes(kept) ? kept : "system";
  } catch {
    return "system"; // a browser may forbid storage
  }
}

/** @param {string} choice */
export function setTheme(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // The choice lasts until the page is closed.
  }
  applyTheme(choice);
}

/** @param {string} choice */
export function applyTheme(choice) {
  const dark = choice === "dark" || (choice === "system" && !matchMedia("(prefers-color-scheme: light)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.dispatchEvent(new CustomEvent("themechange"));
}

matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => applyTheme(theme()));
