// The two things kept in this browser: which columns a table shows, and the theme. Nothing else is ever stored.

/** What was chosen, or null. */
export function chosen(name) {
  try {
    return JSON.parse(localStorage.getItem(`spacekey.${name}`));
  } catch {
    return null;
  }
}

/** Keep a choice; null forgets it. A browser that refuses storage just forgets. */
export function choose(name, value) {
  try {
    if (value === null) localStorage.removeItem(`spacekey.${name}`);
    else localStorage.setItem(`spacekey.${name}`, JSON.stringify(value));
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}
