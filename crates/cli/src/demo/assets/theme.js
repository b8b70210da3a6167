/**
 * Applies the visitor's choice of light or dark before the first paint. Without a choice the page
 * follows the system.
 */
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("vaxel.theme");
  } catch {
    // A browser that refuses storage keeps the system's setting.
  }
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
