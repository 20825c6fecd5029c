// What was typed and not sent: asked about before it is lost.

const changed = new Set();

/** Watch a form for what its user changes. Gives a function to call once it was sent. */
export function watchForm(element) {
  const note = () => {
    changed.add(element);
    addEventListener("beforeunload", askFirst);
  };
  element.addEventListener("input", note);
  element.addEventListener("change", note);
  return () => changed.delete(element);
}

/** Whether a form within this element, or any at all, holds something that was not sent. */
export function isUnsaved(within = null) {
  for (const one of changed) if (!one.isConnected) changed.delete(one);
  return [...changed].some((one) => within === null || within.contains(one));
}

/** The browser asks in words of its own. It listens only while there is something to lose. */
function askFirst(event) {
  if (isUnsaved()) event.preventDefault();
  else removeEventListener("beforeunload", askFirst);
}
