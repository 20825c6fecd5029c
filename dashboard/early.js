// Puts the chosen theme on the page before anything is painted; base/theme.js changes it later.

try {
  const base = document.querySelector("meta[name=base-path]").content;
  const theme = JSON.parse(localStorage.getItem(`spacekey${base}.theme`));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing has no choice to show.
}
