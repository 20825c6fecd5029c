// The base path: the dashboard may be below a path of its host. Pages and links are written without it: "/account".

let read = null;

function base() {
  return (read ??= document.querySelector("meta[name=base-path]").content);
}

/** The path of a page, "/account", as the browser knows it. */
export function toUrlPath(path) {
  return base() + path;
}

/** The path of the page at a URL, without the base path; null if the URL is not one of the dashboard's. */
export function pagePath(url) {
  const within = url.origin === location.origin && (url.pathname === base() || url.pathname.startsWith(`${base()}/`));
  return within ? url.pathname.slice(base().length) || "/" : null;
}

/** The path of the page that is shown. The browser may write the base path in another way, such as %6B for k. */
export function presentPath() {
  return `/${location.pathname.split("/").slice(base().split("/").length).join("/")}`;
}
