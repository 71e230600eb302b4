import type { ColumnType } from "@millwright/contracts";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe within elements and quoted attributes; control characters, which HTML has no way to write, become U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => entities[character] as string)
    .replaceAll(/\p{Cc}/gu, (character) => (character === "\n" || character === "\t" ? " " : "\uFFFD"));
}

/** A whole number with narrow spaces between thousands, the same on every machine. */
export function showCount(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(?:\d{3})+$)/g, "\u202F");
}

export function showShare(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return percent < 0.01 ? "< 0.01 %" : percent > 99.99 ? "> 99.99 %" : `${percent.toFixed(percent < 10 ? 2 : 1)} %`;
}

/** A value in the words of its type: dates and times as ISO 8601, numbers with at most six digits. */
export function showValue(type: ColumnType, value: number): string {
  if (type === "date" || type === "timestamp") {
    const date = new Date(type === "date" ? Math.round(value) * 86_400_000 : Math.floor(value / 1000));
    // Beyond what a Date reaches there is the number.
    if (!Number.isNaN(date.getTime()))
      return type === "date" ? date.toISOString().slice(0, 10) : date.toISOString().slice(0, 16).replace("T", " ");
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value < 0 ? `−${showCount(-value)}` : showCount(value);
  return String(Number(value.toPrecision(6))).replace("-", "−");
}
