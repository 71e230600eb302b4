import type {
  Batch,
  CapturedPrediction,
  CapturedTensors,
  Column,
  NumericType,
  Tensor,
  Tensors,
} from "@millwright/contracts";
import { numericArray, numericColumn } from "@millwright/data";
import { BlockPrediction, type BlockTensor, type Numbers } from "./block-prediction.ts";
import { GatheredTexts, type Texts } from "./gathered-texts.ts";
import { mostOutputColumns } from "./observe.ts";

const mostRequests = 2048;
const mostNumbers = 2 ** 18;
/** Requests of one block are of one second: a window is a whole number of them. */
const secondMs = 1000;

/**
 * Answered requests of one endpoint, variant, model and second whose tensors differ in their rows alone, copied into memory that was set aside: what a request
 * costs while its caller waits. Nothing of a request stays alive but its numbers: what a young collection finds alive, it copies.
 */
export class TensorBlock {
  readonly endpoint: string;
  readonly variant: string;
  readonly #capacity: number;
  readonly #inputs: readonly BlockTensor[];
  readonly #outputs: readonly BlockTensor[];
  readonly #requestIds: GatheredTexts;
  readonly #timesMs: Float64Array;
  readonly #latenciesMs: Float64Array;
  readonly #rowCounts: Uint32Array;
  #model: CapturedPrediction["model"];
  #second = 0;
  #firstMs = 0;
  #earliestMs = 0;
  #latestMs = 0;
  #requests = 0;
  #rows = 0;
  #lent = false;

  private constructor(
    { endpoint, variant, model }: CapturedTensors,
    capacity: number,
    inputs: readonly BlockTensor[],
    outputs: readonly BlockTensor[],
  ) {
    this.endpoint = endpoint;
    this.variant = variant;
    this.#model = model;
    this.#capacity = capacity;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#requestIds = new GatheredTexts(capacity);
    this.#timesMs = new Float64Array(capacity);
    this.#latenciesMs = new Float64Array(capacity);
    this.#rowCounts = new Uint32Array(capacity);
  }

  /** @returns an empty block for requests like this one; `undefined` where it is of another kind: failed, degraded, with other tensors than numbers, or large. */
  static of(first: CapturedTensors): TensorBlock | undefined {
    const { inputs, outputs } = first;
    if (!isPlain(first) || outputs === undefined) return undefined;
    const rows = rowsOf(inputs);
    const all = [...Object.values(inputs), ...Object.values(outputs)];
    if (rows < 1 || !all.every((tensor) => isBlock(tensor, rows))) return undefined;
    const numbers = all.reduce((sum, { data }) => sum + data.length, 0) / rows;
    const capacity = Math.min(mostRequests, Math.floor(mostNumbers / Math.max(1, numbers)));
    if (rows > capacity) return undefined;
    const make = (tensors: Tensors): BlockTensor[] =>
      Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
        const width = data.length / rows;
        const values = numericArray(dtype as NumericType, capacity * width) as Numbers;
        return { name, dtype: dtype as NumericType, width, shape: shape.slice(1), values };
      });
    return new TensorBlock(first, capacity, make(inputs), make(outputs));
  }

  get model(): CapturedPrediction["model"] {
    return this.#model;
  }

  get requests(): number {
    return this.#requests;
  }

  /** When the one that came first was asked. */
  get timeMs(): number {
    return this.#firstMs;
  }

  get earliestMs(): number {
    return this.#earliestMs;
  }

  get latestMs(): number {
    return this.#latestMs;
  }

  /** A view, until the block is cleared. */
  get latenciesMs(): Float64Array {
    return this.#latenciesMs.subarray(0, this.#requests);
  }

  /** A view, until the block is cleared. */
  get timesMs(): Float64Array {
    return this.#timesMs.subarray(0, this.#requests);
  }

  /** Rows of each request: a view, until the block is cleared. */
  get rowCounts(): Uint32Array {
    return this.#rowCounts.subarray(0, this.#requests);
  }

  /** Copies a request. @returns false where it is of another kind, or does not fit any more: then nothing was kept of it. */
  add(request: CapturedTensors): boolean {
    const { model, timeMs, latencyMs, inputs, outputs } = request;
    if (request.variant !== this.variant || request.endpoint !== this.endpoint || outputs === undefined) return false;
    const second = Math.floor(timeMs / secondMs);
    if (this.#requests > 0 && !(second === this.#second && this.#isModel(model))) return false;
    if (!Number.isFinite(timeMs) || typeof latencyMs !== "number" || !isPlain(request)) return false;
    const rows = rowsOf(inputs);
    const from = this.#rows;
    if (rows < 1 || from + rows > this.#capacity) return false;
    if (!fits(this.#inputs, inputs, rows) || !fits(this.#outputs, outputs, rows)) return false;
    if (this.#requests === 0) this.#begin(model, second, timeMs);
    copy(this.#inputs, inputs, from);
    copy(this.#outputs, outputs, from);
    const at = this.#requests;
    this.#requestIds.push(request.requestId);
    this.#timesMs[at] = timeMs;
    this.#latenciesMs[at] = latencyMs;
    this.#rowCounts[at] = rows;
    if (timeMs > this.#latestMs) this.#latestMs = timeMs;
    if (timeMs < this.#earliestMs) this.#earliestMs = timeMs;
    this.#requests = at + 1;
    this.#rows = from + rows;
    return true;
  }

  #isModel(model: CapturedPrediction["model"]): boolean {
    return model === this.#model || model.digest === this.#model.digest;
  }

  #begin(model: CapturedPrediction["model"], second: number, timeMs: number): void {
    this.#model = model;
    this.#second = second;
    this.#firstMs = timeMs;
    this.#earliestMs = timeMs;
    this.#latestMs = timeMs;
  }

  /** Empties the block for other requests of its kind. @returns false where that cannot be: somebody may still look at a request of it. */
  clear(): boolean {
    if (this.#lent) return false;
    this.#requestIds.clear();
    this.#requests = 0;
    this.#rows = 0;
    return true;
  }

  /** In memory of their own, as all that follows. */
  requestIds(): Texts {
    return this.#requestIds.take();
  }

  /** The inputs as columns. */
  features(): Batch {
    const columns = this.#inputs.flatMap((tensor) => this.#columns(tensor, (at) => `${tensor.name}_${at}`));
    return { length: this.#rows, columns: Object.fromEntries(columns) };
  }

  /** The outputs as columns; those of very many are left out. */
  outputs(): Batch {
    const kept = this.#outputs.filter(({ width }) => width <= mostOutputColumns);
    const columns = kept.flatMap((tensor) => this.#columns(tensor, (at) => `${tensor.name}[${at}]`));
    return { length: this.#rows, columns: Object.fromEntries(columns) };
  }

  #columns({ name, dtype, width, values }: BlockTensor, nameOf: (at: number) => string): readonly [string, Column][] {
    const rows = this.#rows;
    const turned = numericArray(dtype, rows * width) as Numbers;
    turn(values, turned, rows, width);
    return Array.from({ length: width }, (_, at) => [
      width === 1 ? name : nameOf(at),
      numericColumn(dtype, turned.subarray(at * rows, (at + 1) * rows) as never),
    ]);
  }

  /** Each request for itself, as it came. */
  *predictions(requestIds: readonly string[] = this.requestIds().strings): Generator<CapturedPrediction, void> {
    this.#lent = true;
    const parts = { inputs: this.#inputs, outputs: this.#outputs };
    let from = 0;
    for (const [at, requestId] of requestIds.entries()) {
      const rows = this.#rowCounts[at] as number;
      const [timeMs, latencyMs] = [this.#timesMs[at] as number, this.#latenciesMs[at] as number];
      yield new BlockPrediction(this, parts, { requestId, timeMs, latencyMs, from, rows });
      from += rows;
    }
  }
}

const isPlain = ({ errorCode, degraded, featureAgesMs }: CapturedTensors): boolean =>
  errorCode === undefined && degraded === undefined && featureAgesMs === undefined;

function rowsOf(tensors: Tensors): number {
  // The first alone; whether the others have as many is looked at with them.
  for (const name in tensors) return tensors[name]?.shape[0] ?? 0;
  return 0;
}

const isBlock = ({ dtype, shape, data }: Tensor, rows: number): boolean =>
  dtype !== "string" && dtype !== "bool" && shape[0] === rows && data.length > 0 && data.length % rows === 0;

function fits(wanted: readonly BlockTensor[], tensors: Tensors, rows: number): boolean {
  let count = 0;
  for (const name in tensors) {
    const known = wanted[count];
    const tensor = tensors[name] as Tensor;
    if (known === undefined || known.name !== name || known.dtype !== tensor.dtype) return false;
    const { shape, data } = tensor;
    if (shape[0] !== rows || shape.length !== known.shape.length + 1 || data.length !== rows * known.width)
      return false;
    for (let at = 1; at < shape.length; at += 1) if (shape[at] !== known.shape[at - 1]) return false;
    count += 1;
  }
  return count === wanted.length;
}

function copy(wanted: readonly BlockTensor[], tensors: Tensors, from: number): void {
  for (let index = 0; index < wanted.length; index += 1) {
    const { name, width, values } = wanted[index] as BlockTensor;
    const data = (tensors[name] as Tensor).data as Numbers;
    const start = from * width;
    // A loop beats the call for the few numbers of most requests.
    if (data.length > 64) values.set(data, start);
    else for (let at = 0; at < data.length; at += 1) values[start + at] = data[at] as number;
  }
}

/** So many rows of a tensor stay in the first cache while its columns are written. */
const turnedTogether = 64;

/** Rows to columns. */
function turn(values: Numbers, turned: Numbers, rows: number, width: number): void {
  for (let start = 0; start < rows; start += turnedTogether) {
    const end = Math.min(rows, start + turnedTogether);
    for (let at = 0; at < width; at += 1)
      for (let row = start, from = start * width + at; row < end; row += 1, from += width)
        turned[at * rows + row] = values[from] as number;
  }
}
