import type { CallOptions, ModelManifest, Tensors } from "@millwright/contracts";
import { runGolden } from "@millwright/model";

/** One question with a known answer, asked of one place. */
export interface Probe {
  /** Unique: the probe's name in results, metrics and alerts. */
  readonly name: string;
  readonly endpoint: string;
  readonly variant?: string | undefined;
  /** Where it is asked: a region, a zone, a replica. */
  readonly region?: string | undefined;
  /** Asks, and looks at the answer. @returns what is wrong with it; undefined where it is right. Rejects where there is no answer. */
  readonly ask: (options: { readonly signal: AbortSignal }) => Promise<string | undefined>;
}

/** Answers tensors with tensors: a remote model's client, `server.predict`, an opened model. */
export type AskTensors = (inputs: Tensors, options: CallOptions) => Tensors | Promise<Tensors>;

export interface GoldenProbeOptions extends Pick<Probe, "endpoint" | "variant" | "region"> {
  /** Whose golden requests are asked. */
  readonly manifest: Pick<ModelManifest, "name" | "golden">;
  readonly ask: AskTensors;
}

/** A probe of each golden request of a model package, with its expected answer and tolerance. */
export function goldenProbes({ manifest, ask, ...place }: GoldenProbeOptions): readonly Probe[] {
  const where = [place.endpoint, place.variant, place.region].filter((part) => part !== undefined).join("/");
  return manifest.golden.map((golden, number) => ({
    ...place,
    name: `${where}/golden-${number}`,
    async ask({ signal }) {
      const report = await runGolden({ predict: ask }, { golden: [golden] }, { signal });
      if (report.passed) return undefined;
      const { output, index, expected, actual, tolerance } = report.difference;
      const at = index === undefined ? "" : `[${index}]`;
      return `${output}${at} should be ${expected} and is ${actual} (tolerance ${tolerance})`;
    },
  }));
}

export interface JsonProbeOptions extends Pick<Probe, "name" | "endpoint" | "variant" | "region"> {
  /** Answers with a JSON value: `async ({ signal }) => (await fetch(url, { method: "POST", body, signal })).json()`. */
  readonly ask: (options: { readonly signal: AbortSignal }) => Promise<unknown>;
  /** What the answer must hold: members that are not named here are not looked at. */
  readonly expected: unknown;
  /** Largest absolute difference of two numbers. Default: 1e-6. */
  readonly tolerance?: number | undefined;
}

/** A probe of whatever answers JSON. */
export function jsonProbe({ ask, expected, tolerance = 1e-6, ...place }: JsonProbeOptions): Probe {
  return { ...place, ask: async ({ signal }) => firstDifference(expected, await ask({ signal }), tolerance, "answer") };
}

function firstDifference(expected: unknown, actual: unknown, tolerance: number, path: string): string | undefined {
  const differs = `${path} should be ${JSON.stringify(expected)} and is ${JSON.stringify(actual) ?? "absent"}`;
  if (typeof expected === "number")
    return typeof actual === "number" && Math.abs(actual - expected) <= tolerance ? undefined : differs;
  if (typeof expected !== "object" || expected === null) return Object.is(expected, actual) ? undefined : differs;
  if (typeof actual !== "object" || actual === null) return differs;
  if (Array.isArray(expected) && !(Array.isArray(actual) && actual.length === expected.length)) return differs;
  for (const [key, value] of Object.entries(expected)) {
    const found = Object.hasOwn(actual, key) ? (actual as Record<string, unknown>)[key] : undefined;
    const difference = firstDifference(value, found, tolerance, `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}
