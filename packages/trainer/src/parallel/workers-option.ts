import { inputInvalid } from "../errors.ts";

/** Several workers on this machine learn from each batch together. */
export interface WorkersOptions {
  /** The first is the run's own process, which has the callbacks, the optimizer and the checkpoints. */
  readonly count: number;
  /**
   * `"threads"` share memory, for WASM and JavaScript; `"processes"` may have a native library, and one GPU each. Default: threads where the device is `wasm`
   * or `js`, or `auto` without a native package; else processes.
   */
  readonly transport?: "threads" | "processes" | undefined;
  /**
   * Parts that every batch is cut in, whatever the number of workers; their gradients are added up in one order, so that any number of workers
   * makes the same weights, to the bit. `"workers"`: one part each, which is faster where batches are small; weights then differ in their last bits between
   * numbers of workers. Default: 8, and for more workers the next power of two.
   */
  readonly shards?: number | "workers" | undefined;
  /**
   * `"tree"` adds gradients in one order. `"arrival"` adds each worker's as it comes: less waiting, and with three workers or more no two runs alike.
   * Default: `"tree"`.
   */
  readonly reduction?: "tree" | "arrival" | undefined;
  /** Fewest workers to go on with where some are lost; else the run ends with `TRAINER_WORKERS_LOST`, to be tried again. Default: 1. */
  readonly minimum?: number | undefined;
  /** Lost workers that may be replaced, in the whole attempt. Default: 2. */
  readonly replacements?: number | undefined;
  /**
   * What becomes of a batch where a worker is lost. `"keep"`: the others learn from its rows too, in the same step; batch and learning rate stay. `"shrink"`: that
   * step too, but from the next epoch on the batch has as many rows as its workers had before, and the learning rate shrinks with it (linear scaling, Goyal and
   * others 2017). Default: `"keep"`.
   */
  readonly onLoss?: "keep" | "shrink" | undefined;
  /** A worker that does not answer for longer is lost. Default: 60,000. */
  readonly stepTimeoutMs?: number | undefined;
}

/** With all its defaults. */
export interface ResolvedWorkers {
  readonly count: number;
  readonly transport: "threads" | "processes" | null;
  readonly shards: number | "workers";
  readonly reduction: "tree" | "arrival";
  readonly minimum: number;
  readonly replacements: number;
  readonly onLoss: "keep" | "shrink";
  readonly stepTimeoutMs: number;
}

const mostWorkers = 1_024;

/** Throws `TRAINER_INPUT_INVALID`. */
export function resolveWorkers(given: number | WorkersOptions): ResolvedWorkers {
  const options: WorkersOptions = typeof given === "number" ? { count: given } : given;
  const { count, transport, reduction = "tree", minimum = 1, replacements = 2, onLoss = "keep" } = options;
  const whole = (field: string, value: unknown, from: number, to: number): void => {
    if (!(Number.isInteger(value) && (value as number) >= from && (value as number) <= to))
      throw inputInvalid(`workers.${field}`, value, `a whole number from ${from} to ${to}`);
  };
  const oneOf = (field: string, value: unknown, values: readonly string[]): void => {
    if (!values.includes(value as string))
      throw inputInvalid(`workers.${field}`, value, values.map((one) => `"${one}"`).join(" or "));
  };
  whole("count", count, 1, mostWorkers);
  const { shards = Math.max(8, 2 ** Math.ceil(Math.log2(count))), stepTimeoutMs = 60_000 } = options;
  if (shards !== "workers") whole("shards", shards, count, mostWorkers);
  whole("minimum", minimum, 1, count);
  whole("replacements", replacements, 0, 1_000_000);
  whole("stepTimeoutMs", stepTimeoutMs, 1, 2 ** 31 - 1);
  if (transport !== undefined) oneOf("transport", transport, ["threads", "processes"]);
  oneOf("reduction", reduction, ["tree", "arrival"]);
  oneOf("onLoss", onLoss, ["keep", "shrink"]);
  return { count, transport: transport ?? null, shards, reduction, minimum, replacements, onLoss, stepTimeoutMs };
}
