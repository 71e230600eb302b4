import { createRowOrder, type RowOrder, type RowWindow } from "@millwright/data";
import { copyRow } from "../minibatches.ts";
import type { ShuffleOrder } from "./input-plan.ts";
import type { StepRows, TrainingRows } from "./training-rows.ts";

/** Fills memory with the rows of ranges, one range after another. */
export interface WindowLoader extends AsyncDisposable {
  load(ranges: RowWindow["ranges"], target: StepRows): Promise<void>;
}

export interface StreamOptions {
  readonly rows: number;
  readonly width: number;
  readonly seed: number;
  readonly epochs: number;
  readonly order: ShuffleOrder;
  readonly prefetch: boolean;
  readonly loader: WindowLoader;
}

interface Loaded {
  readonly epoch: number;
  readonly index: number;
  readonly window: RowWindow;
  readonly rows: StepRows;
  readonly ready: Promise<void>;
}

/** Shared, so that another thread may fill it. */
const sharedFloats = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length));

/** Rows that are read window by window, in the same order as those of a matrix with the same options. Holds one window, or two where it reads ahead. */
export class StreamedRows implements TrainingRows, AsyncDisposable {
  readonly rows: number;
  readonly width: number;
  readonly #options: StreamOptions;
  readonly #memory: StepRows[] = [];
  #order: { readonly epoch: number; readonly order: RowOrder } | undefined;
  #current: Loaded | undefined;
  #next: Loaded | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.rows = options.rows;
    this.width = options.width;
  }

  /** The next rows to be asked for are taken to be those after `end`. Throws what reading them throws. */
  async batch(epoch: number, start: number, end: number): Promise<StepRows> {
    const rows = { features: new Float32Array((end - start) * this.width), labels: new Float32Array(end - start) };
    for (let place = start; place < end;) {
      const loaded = await this.#windowAt(epoch, place);
      const stop = Math.min(end, loaded.window.start + loaded.window.rows);
      this.#copy(loaded, place, stop, rows, place - start);
      place = stop;
    }
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.loader[Symbol.asyncDispose]();
    await Promise.allSettled([this.#current?.ready, this.#next?.ready]);
    this.#memory.length = 0;
  }

  #copy({ window, rows }: Loaded, start: number, end: number, target: StepRows, at: number): void {
    const { width } = this;
    for (let place = start, to = at; place < end; place += 1, to += 1) {
      const within = place - window.start;
      const row = window.order?.[within] ?? within;
      copyRow(rows.features, row, target.features, to, width);
      target.labels[to] = rows.labels[row] as number;
    }
  }

  async #windowAt(epoch: number, place: number): Promise<Loaded> {
    const held = this.#current;
    if (held?.epoch === epoch && place >= held.window.start && place < held.window.start + held.window.rows)
      return held;
    const index = this.#orderOf(epoch).windowAt(place);
    const ahead = this.#next;
    if (held !== undefined) this.#memory.push(held.rows);
    this.#current = undefined;
    this.#next = undefined;
    if (ahead !== undefined && (ahead.epoch !== epoch || ahead.index !== index)) {
      await ahead.ready.catch(() => {}); // it would be written to still
      this.#memory.push(ahead.rows);
    }
    const loaded = ahead?.epoch === epoch && ahead.index === index ? ahead : this.#begin(epoch, index);
    await loaded.ready;
    this.#current = loaded;
    this.#next = this.#ahead(epoch, index);
    return loaded;
  }

  #ahead(epoch: number, index: number): Loaded | undefined {
    if (!this.#options.prefetch) return undefined;
    if (index + 1 < this.#orderOf(epoch).windows) return this.#begin(epoch, index + 1);
    return epoch + 1 < this.#options.epochs ? this.#begin(epoch + 1, 0) : undefined;
  }

  #begin(epoch: number, index: number): Loaded {
    const window = this.#orderOf(epoch).window(index);
    const rows = this.#memory.pop() ?? this.#room();
    const ready = this.#options.loader.load(window.ranges, rows);
    ready.catch(() => {}); // whoever waits for it hears of it
    return { epoch, index, window, rows, ready };
  }

  #room(): StepRows {
    const { bufferRows, blockRows = 1 } = this.#options.order;
    const most = Math.min(this.rows, Math.max(bufferRows, blockRows));
    return { features: sharedFloats(most * this.width), labels: sharedFloats(most) };
  }

  #orderOf(epoch: number): RowOrder {
    if (this.#order?.epoch !== epoch) {
      const { rows, seed, order } = this.#options;
      this.#order = { epoch, order: createRowOrder({ rows, seed, epoch, ...order }) };
    }
    return this.#order.order;
  }
}
