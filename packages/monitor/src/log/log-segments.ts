import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Batch, decodeNumbers, type JsonObject, type JsonValue } from "@millwright/contracts";
import { batchOf, column, numericColumn, schemaOf, textColumn } from "@millwright/data";
import { batchesOf, wholeOf } from "../capture/arrow-segment.ts";
import { captureUnreadable } from "../errors.ts";

/** What a capture wrote: tables by columns, or requests as JSON. */
export interface RawSegment {
  readonly name: string;
  readonly batches: readonly Batch[];
  readonly rows: readonly JsonObject[];
}

export const isSegment = (name: string): boolean => name.endsWith(".arrows") || name.endsWith(".ndjson");

/** When a segment began: its name is a UUID of version 7. NaN for other names. */
export function begunMs(name: string): number {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(name)
    ? Number.parseInt(name.slice(0, 8) + name.slice(9, 13), 16)
    : Number.NaN;
}

/** What is whole of a segment. Throws `MONITOR_CAPTURE_UNREADABLE`. */
export async function readSegment(directory: string, name: string): Promise<RawSegment> {
  const bytes = await readFile(join(directory, name)).catch((error: unknown) => {
    throw error instanceof Error ? captureUnreadable(name, error.message, error) : error;
  });
  if (name.endsWith(".arrows")) return { name, batches: batchesOf(wholeOf(bytes), name), rows: [] };
  const lines = bytes.toString().split("\n");
  const rows = lines.flatMap((line, index): JsonObject[] => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as JsonObject];
    } catch (error) {
      // A crash may tear the last one.
      if (index === lines.length - 1) return [];
      throw captureUnreadable(name, error instanceof Error ? error.message : String(error), error);
    }
  });
  return { name, batches: [], rows };
}

export const layoutOf = (batch: Batch): string => JSON.stringify(schemaOf(batch));

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

/** Requests as columns: what one asks by, and the whole as JSON. */
export function linesBatch(rows: readonly JsonObject[]): Batch {
  const read = rows.map((row) => decodeNumbers(row as JsonValue) as unknown as Readonly<Record<string, unknown>>);
  const models = read.map(({ model }) => (model ?? {}) as Readonly<Record<string, unknown>>);
  const texts = (values: readonly unknown[]) => column("utf8", values.map(textOf));
  const numbers = (values: readonly unknown[]) => numericColumn("float64", Float64Array.from(values, numberOf));
  return batchOf({
    requestId: texts(read.map(({ requestId }) => requestId)),
    endpoint: texts(read.map(({ endpoint }) => endpoint)),
    variant: texts(read.map(({ variant }) => variant)),
    modelName: texts(models.map(({ name }) => name)),
    modelVersion: numbers(models.map(({ version }) => version)),
    modelDigest: texts(models.map(({ digest }) => digest)),
    timeMs: numbers(read.map(({ timeMs }) => timeMs)),
    latencyMs: numbers(read.map(({ latencyMs }) => latencyMs)),
    errorCode: texts(read.map(({ errorCode }) => errorCode)),
    json: textColumn(rows.map((row) => JSON.stringify(row))),
  });
}
