/** As far as dates go. */
const latestMs = 8.64e15;

/** A number of a column of dates (days) or timestamps (microseconds) as ISO 8601, to the day or the second, UTC; undefined for other columns, and for what is no date. */
export function timeText(type: string, value: number): string | undefined {
  const unitMs = type === "date" ? 86_400_000 : type === "timestamp" ? 0.001 : undefined;
  if (unitMs === undefined || !(Math.abs(value * unitMs) <= latestMs)) return undefined;
  const iso = new Date(value * unitMs).toISOString();
  return type === "date" ? iso.slice(0, iso.indexOf("T")) : `${iso.slice(0, iso.indexOf("."))}Z`;
}
