import type { JsonValue, Redactor } from "@millwright/contracts";

export interface RedactBodyOptions {
  readonly redactor: Redactor;
  /** Names of the values of rows without names, in their order. */
  readonly columns: readonly string[] | undefined;
}

export type BodyFormat = "JSON" | "JSONL" | "CSV" | "BASE64";

/**
 * A body as it may be written down, in its own format.
 * @returns `undefined` for what is not understood well enough to be redacted: then nothing of it is written.
 */
export function redactBody(text: string, format: BodyFormat, options: RedactBodyOptions): string | undefined {
  if (format === "JSON") return jsonOf(redactedJson(JSON.parse(text) as JsonValue, options));
  if (format === "CSV") return redactedCsv(text, options);
  if (format !== "JSONL") return undefined;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const rows = lines.map((line) => jsonOf(redactedRow(JSON.parse(line) as JsonValue, options)));
  return rows.includes(undefined) ? undefined : rows.join("\n");
}

const jsonOf = (value: JsonValue | undefined): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

/** Members that hold rows, and those that hold values by the name of an input or output. */
const rowsMembers = new Set(["instances", "entities", "request"]);
const namedMembers = new Set(["inputs", "outputs"]);
/** Of the protocols' own, and no data. */
const protocolMembers = new Set(["id", "model_name", "model_version", "signature_name"]);

function redactedJson(value: JsonValue, options: RedactBodyOptions): JsonValue | undefined {
  if (Array.isArray(value)) return redactedRows(value, options);
  if (value === null || typeof value !== "object") return redactedRow(value, options);
  const members: [string, JsonValue][] = [];
  for (const [name, each] of Object.entries(value)) {
    let after: JsonValue | undefined;
    if (rowsMembers.has(name) && Array.isArray(each)) after = redactedRows(each, options);
    else if (namedMembers.has(name)) after = redactedNamed(name, each, options);
    else if (protocolMembers.has(name)) after = each;
    else if (name === "explanations") after = redactedContributions(each, options.redactor);
    else after = options.redactor.redact(name, each);
    if (after === undefined) return undefined;
    members.push([name, after]);
  }
  return Object.fromEntries(members);
}

/** Contributions are told by the names of columns, and are redacted as those are; those of SageMaker's form name their column beside them. */
function redactedContributions(value: JsonValue, redactor: Redactor): JsonValue {
  if (Array.isArray(value)) return (value as JsonValue[]).map((each) => redactedContributions(each, redactor));
  if (value === null || typeof value !== "object") return value;
  const members = value as Readonly<Record<string, JsonValue>>;
  const { feature_header: header } = members;
  if (typeof header === "string" && redactor.redact(header, 0) !== 0)
    return { feature_header: header, attributions: [] };
  return Object.fromEntries(
    Object.entries(members).map(([name, each]) => [
      name,
      typeof each === "number" ? redactor.redact(name, each) : redactedContributions(each, redactor),
    ]),
  );
}

function redactedRows(rows: readonly JsonValue[], options: RedactBodyOptions): JsonValue | undefined {
  const after = rows.map((row) => redactedRow(row, options));
  return after.includes(undefined) ? undefined : (after as JsonValue[]);
}

/** An object by its names, a list by the columns', a single value as the only column. */
function redactedRow(row: JsonValue, options: RedactBodyOptions): JsonValue | undefined {
  const { redactor, columns } = options;
  if (row !== null && typeof row === "object" && !Array.isArray(row))
    return redactedMembers(row as Readonly<Record<string, JsonValue>>, redactor);
  const cells: readonly JsonValue[] = Array.isArray(row) ? row : [row];
  if (columns === undefined || cells.length !== columns.length) return undefined;
  const after = cells.map((cell, at) => redactor.redact(columns[at] as string, cell));
  return Array.isArray(row) ? after : after[0];
}

const redactedMembers = (row: Readonly<Record<string, JsonValue>>, redactor: Redactor): JsonValue =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, redactor.redact(name, value)]));

/** `{ name: values }`, or tensors `[{ name, shape, datatype, data }]` of the Open Inference Protocol. */
function redactedNamed(member: string, value: JsonValue, options: RedactBodyOptions): JsonValue | undefined {
  const { redactor } = options;
  if (!Array.isArray(value)) {
    if (value === null || typeof value !== "object") return redactor.redact(member, value);
    return redactedMembers(value as Readonly<Record<string, JsonValue>>, redactor);
  }
  const tensors: JsonValue[] = [];
  for (const each of value as readonly JsonValue[]) {
    if (each === null || typeof each !== "object" || Array.isArray(each)) return undefined;
    const { name, data, ...rest } = each as Readonly<Record<string, JsonValue>>;
    if (typeof name !== "string") return undefined;
    const known = Object.fromEntries(
      ["shape", "datatype"].flatMap((key) => (key in rest ? [[key, rest[key] as JsonValue]] : [])),
    );
    tensors.push({ name, ...known, ...(data === undefined ? {} : { data: redactor.redact(name, data) }) });
  }
  return tensors;
}

function redactedCsv(text: string, { redactor, columns }: RedactBodyOptions): string | undefined {
  if (columns === undefined) return undefined;
  const lines: string[] = [];
  for (const record of recordsOf(text)) {
    if (record.length !== columns.length) return undefined;
    const cells = record.map((cell, at) => {
      const number = cell.trim() === "" ? Number.NaN : Number(cell);
      const value = Number.isNaN(number) || String(number) !== cell ? cell : number;
      const after = redactor.redact(columns[at] as string, value);
      return quoted(
        after === value ? cell : typeof after === "string" ? after : after === null ? "" : JSON.stringify(after),
      );
    });
    lines.push(cells.join(","));
  }
  return lines.join("\n");
}

const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** RFC 4180. */
function recordsOf(text: string): readonly (readonly string[])[] {
  const records: string[][] = [];
  let record: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/y;
  while (cell.lastIndex < text.length || record.length > 0) {
    const found = cell.exec(text);
    if (found === null) return [[]];
    record.push(found[1] === undefined ? (found[2] ?? "") : found[1].replaceAll('""', '"'));
    if (found[3] === ",") {
      if (cell.lastIndex < text.length) continue;
      record.push("");
    }
    records.push(record);
    record = [];
    if (cell.lastIndex >= text.length) break;
  }
  return records;
}
