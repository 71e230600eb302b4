const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand in HTML and XML. What XML 1.0 cannot hold gives way to the replacement character: control characters, halves of surrogate pairs. */
export const escaped = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, (each) => ("\t\n\r".includes(each) ? each : "\uFFFD"))
    .replace(/[&<>"']/g, (each) => entities[each] ?? each);
