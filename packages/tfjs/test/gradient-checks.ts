import type { TensorFlow } from "../src/index.ts";

export interface Found {
  /** The largest difference from finite differences, in parts of the largest component. */
  readonly worst: number;
  /** Whether the gradient is zero everywhere, which none of these is. */
  readonly zero: boolean;
}

interface GradientChecks {
  readonly functions: Readonly<Record<string, unknown>>;
  readonly layers: Readonly<Record<string, unknown>>;
  checkFunction(tf: TensorFlow, f: unknown): Promise<Found>;
  checkLayers(tf: TensorFlow, parts: unknown): Promise<Found>;
}

const fixture = new URL("./fixtures/gradient-checks.mjs", import.meta.url).href;

/** What the fixture exports, which processes of their own run too. */
export const gradientChecks = (await import(fixture)) as GradientChecks;
