// Tells a token's secret from other text, by its shape alone: prefix_env_38 characters.

const SHAPE = /\b[a-z][a-z0-9]{0,15}_(?:live|test)_[0-9A-Za-z]{38}\b/;

/** Whether the text holds a whole secret. */
export function holdsSecret(text) {
  return SHAPE.test(text);
}

/** What of a pasted secret may be searched for: the first 12 characters, which Spacekey shows as the prefix. */
export function searchable(text) {
  const found = SHAPE.exec(text);
  return found ? found[0].slice(0, 12) : text.trim();
}
