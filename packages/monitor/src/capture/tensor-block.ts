import type {
  Batch,
  CapturedPrediction,
  CapturedTensors,
  Column,
  NumericType,
  Tensor,
  Tensors,
} from "@millwright/contracts";
import { numericArray, stridedColumn, tensorColumns } from "@millwright/data";
import { mostOutputColumns } from "./observe.ts";

type Numbers = Float64Array;

/** The rows of one tensor of all requests of a block, one after another. */
interface BlockTensor {
  readonly name: string;
  readonly dtype: NumericType;
  /** Numbers of a row. */
  readonly width: number;
  /** The shape of a row. */
  readonly shape: readonly number[];
  /** Typed as numbers: 64-bit integers are copied as they are. */
  readonly values: Numbers;
}

const mostRequests = 1024;
const mostNumbers = 2 ** 18;
/** Requests of one block are of one second: a window is a whole number of them. */
const secondMs = 1000;

/**
 * Answered requests of one endpoint, variant, model and second whose tensors differ in their rows alone, copied into memory that was set aside: what a request
 * costs while its caller waits.
 */
export class TensorBlock {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: CapturedPrediction["model"];
  readonly requestIds: string[] = [];
  /** When the first came. */
  readonly timeMs: number;
  readonly #second: number;
  readonly #capacity: number;
  readonly #inputs: readonly BlockTensor[];
  readonly #outputs: readonly BlockTensor[];
  readonly #timesMs = new Float64Array(mostRequests);
  readonly #latenciesMs = new Float64Array(mostRequests);
  readonly #rowCounts = new Uint32Array(mostRequests);
  #lastMs: number;
  #requests = 0;
  #rows = 0;

  private constructor(
    first: CapturedTensors,
    capacity: number,
    inputs: readonly BlockTensor[],
    outputs: readonly BlockTensor[],
  ) {
    this.endpoint = first.endpoint;
    this.variant = first.variant;
    this.model = first.model;
    this.timeMs = first.timeMs;
    this.#lastMs = first.timeMs;
    this.#second = Math.floor(first.timeMs / secondMs);
    this.#capacity = capacity;
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /** @returns a block for requests like this one; `undefined` where it is of another kind: failed, degraded, with other tensors than numbers, or large. */
  static of(first: CapturedTensors): TensorBlock | undefined {
    const { inputs, outputs, timeMs, latencyMs } = first;
    if (!isPlain(first) || outputs === undefined) return undefined;
    if (!Number.isFinite(timeMs) || typeof latencyMs !== "number") return undefined;
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

  get requests(): number {
    return this.#requests;
  }

  get rows(): number {
    return this.#rows;
  }

  /** When the last came. */
  get lastMs(): number {
    return this.#lastMs;
  }

  get latenciesMs(): Float64Array {
    return this.#latenciesMs.subarray(0, this.#requests);
  }

  get timesMs(): Float64Array {
    return this.#timesMs.subarray(0, this.#requests);
  }

  /** Rows of each request. */
  get rowCounts(): Uint32Array {
    return this.#rowCounts.subarray(0, this.#requests);
  }

  /** Copies a request. @returns false where it is of another kind, or does not fit any more: then nothing was kept of it. */
  add(request: CapturedTensors): boolean {
    const { model, timeMs, latencyMs, inputs, outputs } = request;
    if (model !== this.model && model.digest !== this.model.digest) return false;
    if (request.variant !== this.variant || request.endpoint !== this.endpoint || outputs === undefined) return false;
    if (Math.floor(timeMs / secondMs) !== this.#second || typeof latencyMs !== "number") return false;
    if (!isPlain(request)) return false;
    const rows = rowsOf(inputs);
    const from = this.#rows;
    if (from + rows > this.#capacity || this.#requests === mostRequests) return false;
    if (!fits(this.#inputs, inputs, rows) || !fits(this.#outputs, outputs, rows)) return false;
    copy(this.#inputs, inputs, from);
    copy(this.#outputs, outputs, from);
    const at = this.#requests;
    this.requestIds.push(request.requestId);
    this.#timesMs[at] = timeMs;
    this.#latenciesMs[at] = latencyMs;
    this.#rowCounts[at] = rows;
    if (timeMs > this.#lastMs) this.#lastMs = timeMs;
    this.#requests = at + 1;
    this.#rows = from + rows;
    return true;
  }

  /** The inputs as columns, in memory of their own. */
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
    return Array.from({ length: width }, (_, at) => [
      width === 1 ? name : nameOf(at),
      stridedColumn(dtype, values, { rows: this.#rows, width, at }),
    ]);
  }

  /** Each request for itself, as it came. */
  *predictions(): Generator<CapturedPrediction, void> {
    const parts = { inputs: this.#inputs, outputs: this.#outputs };
    let from = 0;
    for (const [at, requestId] of this.requestIds.entries()) {
      const rows = this.#rowCounts[at] as number;
      const [timeMs, latencyMs] = [this.#timesMs[at] as number, this.#latenciesMs[at] as number];
      yield new BlockPrediction(this, parts, { requestId, timeMs, latencyMs, from, rows });
      from += rows;
    }
  }
}

interface BlockParts {
  readonly inputs: readonly BlockTensor[];
  readonly outputs: readonly BlockTensor[];
}

/** Which request of a block, and its rows. */
interface BlockPlace {
  readonly requestId: string;
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly from: number;
  readonly rows: number;
}

/** One request of a block. Its tensors are cut out when they are asked for: most who look at it look at times and errors. */
class BlockPrediction implements CapturedPrediction {
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly model: CapturedPrediction["model"];
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly #parts: BlockParts;
  readonly #place: BlockPlace;
  #features: Batch | undefined;
  #outputs: Tensors | undefined;

  constructor({ endpoint, variant, model }: TensorBlock, parts: BlockParts, place: BlockPlace) {
    this.requestId = place.requestId;
    this.endpoint = endpoint;
    this.variant = variant;
    this.model = model;
    this.timeMs = place.timeMs;
    this.latencyMs = place.latencyMs;
    this.#parts = parts;
    this.#place = place;
  }

  get features(): Batch | undefined {
    return (this.#features ??= tensorColumns(cut(this.#parts.inputs, this.#place.from, this.#place.rows)));
  }

  get outputs(): Tensors {
    return (this.#outputs ??= cut(this.#parts.outputs, this.#place.from, this.#place.rows));
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

const cut = (tensors: readonly BlockTensor[], from: number, rows: number): Tensors =>
  Object.fromEntries(
    tensors.map(({ name, dtype, width, shape, values }): [string, Tensor] => {
      const data = values.slice(from * width, (from + rows) * width);
      return [name, { dtype, shape: [rows, ...shape], data } as unknown as Tensor];
    }),
  );
