// Keys of the whole page: "/" goes to the search box, "c" creates. They do nothing while something is typed or asked.

const TYPING = "input, select, textarea, [contenteditable], [role=menu]";

/** Listen to them. A button that creates says so with data-shortcut. */
export function startShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
    const found = { "/": "main input[type=search]", c: "main [data-shortcut=c]:not(:disabled)" }[event.key];
    const control = found && document.querySelector(found);
    if (!control) return;
    event.preventDefault();
    if (event.key === "c") control.click();
    else control.focus();
  });
}
