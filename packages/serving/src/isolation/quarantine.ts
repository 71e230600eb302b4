import { createHash } from "node:crypto";
import type { Tensor, Tensors } from "@millwright/contracts";
import { sliceRows } from "../engine/tensor-rows.ts";

export interface QuarantineOptions {
  /** Most digests that are remembered; the oldest are forgotten first. */
  readonly maxRequests: number;
}

/** More rows than these are known as a whole only. */
const mostRows = 1_024;

/** Remembers requests that ended workers: those of one row by it, so that they are found in a batch of others. */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #held = new Set<string>();

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  get digests(): readonly string[] {
    return [...this.#held];
  }

  /** @returns the digest that the request is known by from here on. */
  hold(model: string, inputs: Tensors): string {
    const digest = digestOfTensors(model, inputs);
    this.#held.delete(digest);
    this.#held.add(digest);
    for (const oldest of this.#held) {
      if (this.#held.size <= this.#options.maxRequests) break;
      this.#held.delete(oldest);
    }
    return digest;
  }

  /** The digest of the request, or of a row of it, that is held. Costs nothing while none is. */
  find(model: string, inputs: Tensors): string | undefined {
    if (this.#held.size === 0) return undefined;
    const whole = digestOfTensors(model, inputs);
    if (this.#held.has(whole)) return whole;
    const rows = rowsOf(inputs);
    for (let row = 0; row < rows; row += 1) {
      const digest = digestOfTensors(model, sliceRows(inputs, row, row + 1));
      if (this.#held.has(digest)) return digest;
    }
    return undefined;
  }
}

/** How many rows all inputs have; 0 where they differ, and where there is no use in looking at each. */
function rowsOf(inputs: Tensors): number {
  const [first, ...others] = Object.values(inputs);
  const rows = first?.shape[0] ?? 0;
  return rows < 2 || rows > mostRows || others.some(({ shape }) => shape[0] !== rows) ? 0 : rows;
}

function digestOfTensors(model: string, inputs: Tensors): string {
  const hash = createHash("sha256").update(model);
  for (const name of Object.keys(inputs).toSorted()) {
    const { dtype, shape, data } = inputs[name] as Tensor;
    hash.update(JSON.stringify([name, dtype, shape]));
    hash.update(
      dtype === "string" ? JSON.stringify(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
  }
  return `sha256:${hash.digest("hex")}`;
}
