import { type Batch, type CallOptions, type Tensors, isMillwrightError } from "@millwright/contracts";
import { concatBatches } from "@millwright/data";
import { modelFailed, overloaded } from "../errors.ts";
import { concatAll, sliceRows } from "./tensor-rows.ts";

/** What a model is asked: checked tensors, or columns that its transforms turn into tensors. */
export type Payload =
  | { readonly kind: "tensors"; readonly tensors: Tensors }
  | { readonly kind: "columns"; readonly batch: Batch };

export interface BatcherOptions {
  /** How the endpoint and the model are called in messages. */
  readonly endpoint: string;
  readonly model: string;
  /** Asks the model once. */
  readonly run: (payload: Payload) => Tensors | Promise<Tensors>;
  readonly maxBatchRows: number;
  readonly maxQueueRows: number;
  readonly onBatch?: ((rows: number) => void) | undefined;
  readonly onQueue?: ((rows: number) => void) | undefined;
}

export interface BatchRequest extends CallOptions {
  readonly payload: Payload;
  readonly rows: number;
  /** Requests of equal keys may share a batch; `undefined` keeps it alone. */
  readonly key: string | undefined;
}

interface Waiting extends BatchRequest {
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: unknown) => void;
}

export interface Batcher {
  /** Answers one request, in a batch with others. Throws `SERVING_OVERLOADED`, `SERVING_MODEL_FAILED`, what the model throws for its own rows. */
  answer(request: BatchRequest): Promise<Tensors>;
  readonly queuedRows: number;
}

/**
 * Batches without a timer: what arrives in one turn of the event loop, or while a batch runs, makes the next batch. An idle model answers
 * at once; a busy one answers many rows for the price of a call. Where a batch fails, its requests are asked one by one, so that a bad row fails alone.
 */
export function createBatcher(options: BatcherOptions): Batcher {
  const { endpoint, maxBatchRows, maxQueueRows, onQueue } = options;
  let queue: Waiting[] = [];
  let queuedRows = 0;
  let running = false;
  const drain = async (): Promise<void> => {
    while (queue.length > 0) {
      const { taken, left } = take(queue, maxBatchRows);
      queue = left;
      queuedRows -= taken.reduce((sum, { rows }) => sum + rows, 0);
      onQueue?.(queuedRows);
      await answerBatch(options, taken);
      // A long queue must not keep the sockets waiting.
      if (queue.length > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    running = false;
  };
  return {
    get queuedRows() {
      return queuedRows;
    },
    answer: (request) =>
      new Promise<Tensors>((resolve, reject) => {
        if (queuedRows > 0 && queuedRows + request.rows > maxQueueRows) {
          reject(overloaded(endpoint, queuedRows, maxQueueRows));
          return;
        }
        queue.push({ ...request, resolve, reject });
        queuedRows += request.rows;
        onQueue?.(queuedRows);
        if (running) return;
        running = true;
        // The end of this turn of the loop: whatever the sockets delivered in it shares the batch.
        setImmediate(() => void drain());
      }),
  };
}

/** From the front: every request that fits beside the first one, in order. */
function take(
  queue: readonly Waiting[],
  maxRows: number,
): { readonly taken: readonly Waiting[]; readonly left: Waiting[] } {
  const [first] = queue;
  if (first === undefined || first.key === undefined) return { taken: queue.slice(0, 1), left: queue.slice(1) };
  const taken: Waiting[] = [];
  const left: Waiting[] = [];
  let rows = 0;
  for (const waiting of queue) {
    const fits = waiting.key === first.key && (taken.length === 0 || rows + waiting.rows <= maxRows);
    if (!fits) {
      left.push(waiting);
      continue;
    }
    taken.push(waiting);
    rows += waiting.rows;
  }
  return { taken, left };
}

async function answerBatch(options: BatcherOptions, taken: readonly Waiting[]): Promise<void> {
  const wanted = taken.filter((waiting) => {
    if (waiting.signal?.aborted !== true) return true;
    waiting.reject(waiting.signal.reason);
    return false;
  });
  if (wanted.length === 0) return;
  const rows = wanted.reduce((sum, waiting) => sum + waiting.rows, 0);
  try {
    const outputs = await ask(
      options,
      join(wanted),
      rows,
      wanted.every(({ key }) => key !== undefined),
    );
    options.onBatch?.(rows);
    let start = 0;
    for (const waiting of wanted) {
      waiting.resolve(wanted.length === 1 ? outputs : sliceRows(outputs, start, start + waiting.rows));
      start += waiting.rows;
    }
  } catch (error) {
    if (wanted.length === 1) wanted[0]?.reject(ownFailure(options.model, error));
    else for (const waiting of wanted) await answerBatch(options, [waiting]);
  }
}

async function ask(options: BatcherOptions, payload: Payload, rows: number, perRow: boolean): Promise<Tensors> {
  const answer = options.run(payload);
  const outputs = answer instanceof Promise ? await answer : answer;
  if (!perRow) return outputs;
  for (const [name, { shape }] of Object.entries(outputs)) {
    if (shape[0] !== rows)
      throw modelFailed(options.model, `its output "${name}" has ${shape[0]} rows for ${rows} rows of inputs`);
  }
  return outputs;
}

function join(requests: readonly Waiting[]): Payload {
  const payloads = requests.map(({ payload }) => payload);
  const [first] = payloads;
  if (first === undefined || payloads.length === 1) return first as Payload;
  return first.kind === "tensors"
    ? { kind: "tensors", tensors: concatAll(payloads.map((each) => (each.kind === "tensors" ? each.tensors : {}))) }
    : {
        kind: "columns",
        batch: concatBatches(payloads.flatMap((each) => (each.kind === "columns" ? [each.batch] : []))),
      };
}

/** Errors of the house speak for themselves; anything else is a failure of the model. */
const ownFailure = (model: string, error: unknown): unknown =>
  isMillwrightError(error)
    ? error
    : modelFailed(model, error instanceof Error ? error.message.replace(/\.$/, "") : String(error), error);
