// A long list as a file: read page by page to its end, however long, with a way to stop.

import { t } from "../base/texts.js";
import { download } from "../base/download.js";
import { fill, h } from "../base/dom.js";
import { errorBox } from "./alert.js";
import { openDialog } from "./dialog.js";
import { say } from "./notice.js";

/**
 * Save all pages as one file. read(after) gives { text, count, next }: a page's lines, how many, and the cursor of the
 * next page or null. counted(count) is how many there are as a text; head: the file's first line, if any.
 */
export async function exportPages({ title, file, type, counted, read, head = "" }) {
  const parts = [head];
  let count = 0;
  let open = true;
  const status = h("p", { role: "status" }, t("shared.reading"));
  const problem = h("div", {});
  const save = (complete) => {
    open = false;
    dialog.close();
    download(file, type, parts);
    const value = counted(count);
    say(complete ? t("shared.exportedAll", { value }) : t("shared.exportedSome", { value }));
  };
  const stop = h("button", { type: "button", onclick: () => save(false) }, t("shared.exportStop"));
  const dialog = openDialog({ title, content: () => [status, problem, h("div", { class: "actions" }, stop)] });
  dialog.closed.then(() => (open = false));
  try {
    for (let after = null, more = true; more && open;) {
      const page = await read(after);
      parts.push(page.text);
      count += page.count;
      fill(status, t("shared.exportRead", { value: counted(count) }));
      more = page.next !== null;
      after = page.next;
    }
    if (open) save(true);
  } catch (error) {
    fill(problem, errorBox(error));
  }
}
