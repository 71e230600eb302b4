import { type RobustSlope, robustSlope } from "./robust-slope.ts";

/** A measure that grows from step to step. */
export interface LeakFinding {
  readonly measure: "rssBytes" | "tensors";
  /** The step after which it was found. */
  readonly step: number;
  /** A step, with its 99 % interval. */
  readonly perStep: RobustSlope;
  /** Since the watching began. */
  readonly grown: number;
}

export interface LeakOptions {
  /** Steps before anything is measured: code is compiled, pools and caches fill. Default: 20. */
  readonly warmupSteps?: number | undefined;
  /** Least growth of resident memory, by the lower bound of its slope, in bytes. Default: 64 MiB. */
  readonly minGrowthBytes?: number | undefined;
  /** Least growth in number of tensors. Default: 50. */
  readonly minGrowthTensors?: number | undefined;
}

const mostBlocks = 128;
const fewestBlocks = 32;

/** One measure along a run: the least of each of at most 128 stretches of equally many steps, so that what is freed later does not count. */
class Series {
  #blocks: number[] = [];
  #blockSteps = 1;
  #inBlock = 0;
  #least = Infinity;
  #first: number | undefined;

  /** @returns whether a stretch has ended. */
  push(value: number): boolean {
    this.#first ??= value;
    this.#least = Math.min(this.#least, value);
    this.#inBlock += 1;
    if (this.#inBlock < this.#blockSteps) return false;
    this.#blocks.push(this.#least);
    this.#inBlock = 0;
    this.#least = Infinity;
    if (this.#blocks.length === mostBlocks) {
      this.#blocks = Array.from({ length: mostBlocks / 2 }, (_, index) =>
        Math.min(this.#blocks[2 * index] ?? Infinity, this.#blocks[2 * index + 1] ?? Infinity),
      );
      this.#blockSteps *= 2;
    }
    return true;
  }

  /** The slope over all of it, where the newer half alone grows as well, and the growth is as large as it must be. */
  growing(minGrowth: number): RobustSlope | undefined {
    const blocks = this.#blocks;
    if (blocks.length < fewestBlocks) return undefined;
    const grown = (blocks.at(-1) ?? 0) - (blocks[0] ?? 0);
    if (grown < minGrowth) return undefined; // most calls end here
    const whole = robustSlope(blocks, this.#blockSteps);
    if (whole.low * blocks.length * this.#blockSteps < minGrowth) return undefined;
    // Growth that has come to its end is no leak.
    const recent = robustSlope(blocks.slice(blocks.length >> 1), this.#blockSteps);
    return recent.low > whole.low / 4 ? whole : undefined;
  }

  get grown(): number {
    return (this.#blocks.at(-1) ?? 0) - (this.#first ?? 0);
  }
}

/**
 * Watches resident memory and the number of tensors for growth from step to step. With the defaults a leak of 1 MiB a step, or of one tensor a
 * step, is found within 128 steps. What it has seen is not kept over a restart: a new process begins with its own memory.
 */
export class LeakWatch {
  readonly #warmupSteps: number;
  readonly #limits: Readonly<Record<LeakFinding["measure"], number>>;
  readonly #series: Readonly<Record<LeakFinding["measure"], Series>> = {
    rssBytes: new Series(),
    tensors: new Series(),
  };
  readonly #found = new Set<LeakFinding["measure"]>();
  #seen = 0;

  constructor({ warmupSteps = 20, minGrowthBytes = 64 * 2 ** 20, minGrowthTensors = 50 }: LeakOptions = {}) {
    this.#warmupSteps = warmupSteps;
    this.#limits = { rssBytes: minGrowthBytes, tensors: minGrowthTensors };
  }

  /** Takes what was measured after a step. @returns what has been found by it; each measure is found once. */
  update(step: number, measured: { readonly rssBytes: number; readonly tensors: number }): LeakFinding | undefined {
    this.#seen += 1;
    if (this.#seen <= this.#warmupSteps) return undefined;
    let finding: LeakFinding | undefined;
    for (const measure of ["tensors", "rssBytes"] as const) {
      const series = this.#series[measure];
      if (!series.push(measured[measure]) || this.#found.has(measure)) continue;
      const perStep = series.growing(this.#limits[measure]);
      if (perStep === undefined || finding !== undefined) continue;
      this.#found.add(measure);
      finding = { measure, step, perStep, grown: series.grown };
    }
    return finding;
  }
}
