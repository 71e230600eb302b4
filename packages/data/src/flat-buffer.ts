/** @returns where a field of a table stands; 0 where it is absent. */
export function fieldAt(view: DataView, table: number, field: number): number {
  const layout = table - view.getInt32(table, true);
  const place = 4 + field * 2;
  // Both are unsigned, but apache-arrow reads them so: what it sees is what counts.
  const at = place < view.getInt16(layout, true) ? view.getInt16(layout + place, true) : 0;
  return at === 0 ? 0 : table + at;
}

/** A 64-bit number; beyond 2^53 only about. */
export const wide = (view: DataView, at: number): number =>
  view.getInt32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
