// The second script, with the pages that a first visit seldom needs. The server names it in the page.

const LATER = [
  /^\/(?:account|invitation|password)\/?$/,
  /^\/token\//,
  /^\/workspace\/[\w-]+\/(?:spaces|members|roles|usage|audit-log|settings)\/?$/,
];
let attempts = 0;
let fetched = null;

/** Whether the page at a path is in the second script. */
export function isLater(path) {
  return LATER.some((one) => one.test(path));
}

/** Fetch it, once: gives its address, from which it can be imported without another request. */
export function fetchLater() {
  return (fetched ??= fetchNow().catch((error) => {
    fetched = null;
    throw error;
  }));
}

function fetchNow() {
  const { content, dataset } = document.querySelector("meta[name=later]");
  attempts += 1;
  // Browsers remember that a module could not be fetched from an address.
  const address = attempts === 1 ? content : `${content}?${attempts}`;
  const link = document.createElement("link");
  link.rel = "modulepreload";
  link.integrity = dataset.integrity;
  link.href = address;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", () => resolve(address));
    link.addEventListener("error", () => reject(new Error(address)));
    document.head.append(link);
  }).finally(() => link.remove());
}

/** Run it: gives what later.js exports. */
export async function importLater() {
  const address = await fetchLater();
  return import(address);
}

/** Whether the server has another version by now, and this page's scripts no more. */
export async function isGone() {
  try {
    const { content } = document.querySelector("meta[name=later]");
    return (await fetch(content, { method: "HEAD", cache: "no-store" })).status === 404;
  } catch {
    return false;
  }
}
