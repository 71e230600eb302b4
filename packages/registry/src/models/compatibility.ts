import type { ModelSignature, TensorSpec } from "@millwright/contracts";

/** `compatible`: callers notice nothing; `additive`: callers may use more; `breaking`: a caller that works now would fail. */
export type CompatibilityClass = "compatible" | "additive" | "breaking";

export interface SignatureChange {
  readonly class: CompatibilityClass;
  /** Such as `the input "km" was removed`. */
  readonly change: string;
}

export interface SignatureComparison {
  /** That of the gravest change. */
  readonly class: CompatibilityClass;
  readonly changes: readonly SignatureChange[];
}

export interface CompareSignaturesOptions {
  /** Inputs of the new version that callers may leave out, because its transforms have a value for them. Default: none. */
  readonly optional?: readonly string[] | undefined;
  /** What live callers use, where it is known: what none of them uses cannot break them. Default: everything. */
  readonly used?: { readonly inputs: readonly string[]; readonly outputs: readonly string[] } | undefined;
}

/**
 * Whether callers of one version can call another. Inputs may be widened (a fixed size becomes any size), outputs may be narrowed; an input may be
 * added where callers may leave it out; an output may be added. Another type, fewer or more dimensions, and what is gone break.
 */
export function compareSignatures(
  before: ModelSignature,
  after: ModelSignature,
  { optional = [], used }: CompareSignaturesOptions = {},
): SignatureComparison {
  const changes = [
    ...changesOf("input", before.inputs, after.inputs, used?.inputs, optional),
    ...changesOf("output", before.outputs, after.outputs, used?.outputs, []),
  ];
  const gravest = (["breaking", "additive"] as const).find((each) => changes.some((change) => change.class === each));
  return { class: gravest ?? "compatible", changes };
}

function* changesOf(
  side: "input" | "output",
  before: readonly TensorSpec[],
  after: readonly TensorSpec[],
  used: readonly string[] | undefined,
  optional: readonly string[],
): Generator<SignatureChange> {
  const isUsed = (name: string): boolean => used === undefined || used.includes(name);
  const told = (name: string): string => `the ${side} "${name}"`;
  for (const old of before) {
    const now = after.find(({ name }) => name === old.name);
    const grave: CompatibilityClass = isUsed(old.name) ? "breaking" : "compatible";
    if (now === undefined) yield { class: grave, change: `${told(old.name)} was removed` };
    else if (now.dtype !== old.dtype)
      yield { class: grave, change: `${told(old.name)} was ${old.dtype} and is ${now.dtype}` };
    else if (!isSame(old.shape, now.shape)) {
      const fits = side === "input" ? isWithin(old.shape, now.shape) : isWithin(now.shape, old.shape);
      const change = `the shape of ${told(old.name)} was [${old.shape.join(", ")}] and is [${now.shape.join(", ")}]`;
      yield { class: fits ? "compatible" : grave, change };
    }
  }
  for (const { name } of after) {
    if (before.some((old) => old.name === name)) continue;
    const mayBeMissing = side === "output" || optional.includes(name);
    yield {
      class: mayBeMissing ? "additive" : "breaking",
      change: `${told(name)} was added${mayBeMissing ? "" : ", and callers must give it"}`,
    };
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

/** Whether whatever has the one shape has the other too. */
const isWithin = (narrow: readonly number[], wide: readonly number[]): boolean =>
  narrow.length === wide.length && wide.every((size, axis) => size === -1 || size === narrow[axis]);
