// Usage and its charts.

/** Texts by name; base/texts.js says how they are written and shown. */
export const USAGE = {
  "usage.allowed": "Allowed",
  "usage.byToken": "Requests by {token}",
  "usage.chartName": "{title}: {names}",
  "usage.created": "Created",
  "usage.dayUtc": "Day (UTC)",
  "usage.denied": "Denied",
  "usage.exportAsCsv": "Export as CSV",
  "usage.exportUsage": "Export usage",
  "usage.inactive": "Inactive {tokens}",
  "usage.inactiveCaption": "Active {tokens} without use in {days} days",
  "usage.inactiveNone": "None. Every active {token} was used or created in the last {days} days.",
  "usage.inactiveText": "Unused {tokens} are a risk without a benefit. Ask their owners, then revoke them.",
  "usage.lastUsed": "Last used",
  "usage.limited": "Limited",
  "usage.mayNotRead": "Your role doesn't allow you to see usage.",
  "usage.more": "There are more: ",
  "usage.moreLink": "see them in the list",
  "usage.noRequestsText":
    "No {token} made a request in the last {days} days. Counts arrive a few seconds after a request.",
  "usage.noRequestsYet": "No requests yet",
  "usage.noneYet": "{title}: none yet.",
  "usage.requestsInTheLastDays": "Requests in the last {days} days, the {busy} tokens used last",
  "usage.showTheNumbers": "Show the numbers",
  "usage.span": "Span",
  "usage.theLastDays": "The last {one} days",
  "usage.tokenColumn": "{Token}",
  "usage.usage": "Usage",
};
