/** How SQL keeps a metric: every double comes back as it went in, NaN and −0 too. */
export interface StoredMetricValue {
  readonly value: number | null;
  readonly exact: string | null;
}

export function storeMetricValue(value: number): StoredMetricValue {
  if (Number.isNaN(value)) return { value: null, exact: "NaN" };
  if (Object.is(value, -0)) return { value: 0, exact: "-0" };
  return { value, exact: null };
}

export function readMetricValue({ value, exact }: StoredMetricValue): number {
  if (exact === "-0") return -0;
  return value ?? Number.NaN;
}
