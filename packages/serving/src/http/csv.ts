import { bodyInvalid } from "../errors.ts";

/** Cells of CSV text by row (RFC 4180): quoted cells may hold commas, quotes and line ends. Empty lines are no rows. Throws `SERVING_BODY_INVALID`. */
export function parseCsv(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  const endRow = (): void => {
    if (row.length > 1 || (row[0] ?? "") !== "") rows.push(row);
    row = [];
  };
  while (at < text.length) {
    const { cell, next } = text[at] === '"' ? quotedCell(text, at, rows.length) : plainCell(text, at);
    row.push(cell);
    at = next;
    if (text[at] === ",") {
      at += 1;
      if (at === text.length) row.push("");
      continue;
    }
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    else if (at < text.length) throw bodyInvalid(`row ${rows.length} of the CSV has text after a quoted cell`);
    endRow();
  }
  endRow();
  const width = rows[0]?.length ?? 0;
  const odd = rows.findIndex((each) => each.length !== width);
  if (odd > 0) throw bodyInvalid(`row ${odd} of the CSV has ${rows[odd]?.length} cells, and row 0 has ${width}`);
  return rows;
}

function plainCell(text: string, start: number): { readonly cell: string; readonly next: number } {
  let next = start;
  while (next < text.length && text[next] !== "," && text[next] !== "\n" && text[next] !== "\r") next += 1;
  return { cell: text.slice(start, next), next };
}

function quotedCell(text: string, start: number, row: number): { readonly cell: string; readonly next: number } {
  let cell = "";
  let from = start + 1;
  for (;;) {
    const end = text.indexOf('"', from);
    if (end < 0) throw bodyInvalid(`row ${row} of the CSV has a quote that never ends`);
    cell += text.slice(from, end);
    if (text[end + 1] !== '"') return { cell, next: end + 1 };
    cell += '"';
    from = end + 2;
  }
}

/** A cell as JSON would hold it: an empty one is null, a number a number, anything else text. */
export function cellValue(cell: string): string | number | null {
  const trimmed = cell.trim();
  if (trimmed === "") return null;
  const number = Number(trimmed);
  return Number.isFinite(number) ? number : cell;
}

/** A cell as CSV text. */
export const csvCell = (value: string): string => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
