import type { Dataset } from "@millwright/contracts";

/** How rows come to the steps. */
export interface InputOptions {
  /**
   * `matrix`: all rows are transformed once and kept. `stream`: blocks of rows are read and transformed in each epoch, by a thread of their own while
   * steps run. Default: `auto`, the matrix where all of it takes no more than `memoryBytes`.
   */
  readonly mode?: "auto" | "matrix" | "stream" | undefined;
  /** What transformed rows may take in memory, those of validation included: 4 bytes an input and label. From 1,048,576. Default: 2 GiB. */
  readonly memoryBytes?: number | undefined;
  /**
   * Rows that are shuffled among each other. The order of the rows, and with it the weights, is a function of this number, not of the mode. Default: all in
   * a matrix; in a stream as many as two buffers of them take `memoryBytes`.
   */
  readonly shuffleRows?: number | undefined;
  /** Whether a stream reads the next rows while steps run; false halves its memory. Default: true. */
  readonly prefetch?: boolean | undefined;
}

/** The same as a run's process is told of it. */
export interface InputRequest {
  readonly mode: "auto" | "matrix" | "stream";
  readonly memoryBytes: number;
  readonly shuffleRows: number | null;
  readonly prefetch: boolean;
}

const defaultMemoryBytes = 2 * 2 ** 30;
const largestBlock = 65_536;

export const inputRequestOf = ({
  mode = "auto",
  memoryBytes = defaultMemoryBytes,
  shuffleRows,
  prefetch = true,
}: InputOptions = {}): InputRequest => ({
  mode,
  memoryBytes,
  shuffleRows: shuffleRows ?? null,
  prefetch,
});

/** The order of an epoch's rows, besides seed and epoch: as `createRowOrder` of @millwright/data takes it. */
export interface ShuffleOrder {
  readonly bufferRows: number;
  readonly blockRows: number | undefined;
}

export interface InputPlan {
  readonly train: "matrix" | "stream";
  readonly validation: "matrix" | "stream";
  /** Absent where all rows are shuffled among each other. */
  readonly order: ShuffleOrder | undefined;
}

/** What is decided on: rows that will be learned from, and how wide they are. */
export interface InputSize {
  readonly rows: number;
  readonly validationRows: number;
  readonly width: number;
  /** Whether rows can be read from anywhere. */
  readonly sliced: boolean;
}

/** A pure function of the request and the data, so that every attempt of a run decides the same. */
export function planInput(
  { mode, memoryBytes, shuffleRows, prefetch }: InputRequest,
  { rows, validationRows, width, sliced }: InputSize,
): InputPlan {
  const rowBytes = 4 * (width + 1);
  const fits = (rows + validationRows) * rowBytes <= memoryBytes;
  const train = mode === "auto" ? (fits ? "matrix" : "stream") : mode;
  const validation = mode === "matrix" || fits || validationRows * rowBytes <= memoryBytes / 4 ? "matrix" : "stream";
  const left = memoryBytes - (validation === "matrix" ? validationRows * rowBytes : 0);
  const held = Math.max(1, Math.floor(left / ((prefetch ? 2 : 1) * rowBytes)));
  const bufferRows = shuffleRows ?? (train === "matrix" ? rows : held);
  if (bufferRows >= rows) return { train, validation, order: undefined };
  const blockRows = sliced ? Math.min(largestBlock, Math.ceil(bufferRows / 8)) : undefined;
  return { train, validation, order: { bufferRows, blockRows } };
}

export const isSliced = (dataset: Dataset): boolean => dataset.slice !== undefined && dataset.rows !== undefined;
