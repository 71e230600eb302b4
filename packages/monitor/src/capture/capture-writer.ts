import type { Batch, BytesColumn, CallOptions, CapturedPrediction, JsonObject, Logger } from "@millwright/contracts";
import { rowsOfTable } from "./observe.ts";

/** Captured requests of one model whose inputs and outputs are all numbers, by columns: what came together is written together. */
export interface CapturedTable extends Pick<CapturedPrediction, "endpoint" | "variant" | "model"> {
  /** One entry a request in each of these. */
  readonly requestIds: readonly string[];
  /** `requestIds` as a column, for writers of columns: who asks for it alone saves making the strings. Default: only the strings are there. */
  readonly requestIdColumn?: BytesColumn | undefined;
  readonly timesMs: Float64Array;
  readonly latenciesMs: Float64Array;
  /** Rows that each request has in `features` and in `outputs`, one after another. */
  readonly rowCounts: Uint32Array;
  readonly features: Batch;
  readonly outputs: Batch;
}

/** Keeps captured rows, wherever the caller wants them. */
export interface CaptureWriter extends AsyncDisposable {
  /** Appends rows in their order; resolves when they are written. One call at a time. */
  write(rows: readonly JsonObject[], options?: CallOptions): Promise<void>;
  /** The same of a table. Default: `write` is given its requests, a row each. */
  writeTable?(table: CapturedTable, options?: CallOptions): Promise<void>;
}

/** Hands rows on in the background, and drops them rather than grow. */
export interface CaptureBuffer {
  offer(row: JsonObject): void;
  offerTable(table: CapturedTable): void;
  /** Resolves when all that was offered is written or dropped. */
  flush(): Promise<void>;
  readonly written: number;
  readonly dropped: number;
}

/** What is written by one call. */
type Lot = { readonly rows: JsonObject[] } | { readonly table: CapturedTable };

const sizeOf = (lot: Lot): number => ("rows" in lot ? lot.rows.length : lot.table.rowCounts.length);

export function createCaptureBuffer(writer: CaptureWriter, capacity: number, logger: Logger): CaptureBuffer {
  const lots: Lot[] = [];
  let waiting = 0;
  let written = 0;
  let dropped = 0;
  let running: Promise<void> | undefined;
  const write = async (lot: Lot): Promise<void> => {
    if ("rows" in lot) await writer.write(lot.rows);
    else if (writer.writeTable === undefined) await writer.write(rowsOfTable(lot.table));
    else await writer.writeTable(lot.table);
  };
  const run = async (): Promise<void> => {
    for (let lot = lots.shift(); lot !== undefined; lot = lots.shift()) {
      const size = sizeOf(lot);
      waiting -= size;
      try {
        await write(lot);
        written += size;
      } catch (error) {
        dropped += size;
        logger.warn({ rows: size, error: String(error) }, "Captured rows could not be written.");
      }
    }
    running = undefined;
  };
  /** @returns whether there is room. */
  const admit = (size: number): boolean => {
    // A table as large as the capacity is taken where nothing waits.
    if (waiting > 0 && waiting + size > capacity) {
      dropped += size;
      return false;
    }
    waiting += size;
    running ??= Promise.resolve().then(run);
    return true;
  };
  return {
    offer(row) {
      if (!admit(1)) return;
      const last = lots.at(-1);
      if (last !== undefined && "rows" in last) last.rows.push(row);
      else lots.push({ rows: [row] });
    },
    offerTable(table) {
      if (admit(table.rowCounts.length)) lots.push({ table });
    },
    flush: () => running ?? Promise.resolve(),
    get written() {
      return written;
    },
    get dropped() {
      return dropped;
    },
  };
}
