/** What the page remembers from visit to visit. A browser that refuses storage forgets, no more. */

const PREFIX = "vaxel.";

/** The value kept under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps a value; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Nothing is lost that the visitor could not type again.
  }
}
