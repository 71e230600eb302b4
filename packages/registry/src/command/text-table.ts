/** Columns side by side for people; control characters of values are shown as spaces. */
export function textTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(oneLine));
  const widths = columns.map((name, index) => Math.max(name.length, ...shown.map((row) => (row[index] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.map((width) => "─".repeat(width))), ...shown.map(line)].join("\n");
}

/** Text that can do nothing to a terminal. */
export const oneLine = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
