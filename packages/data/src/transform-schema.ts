import { type ColumnType, type Digest, digestOfJson, type Schema } from "@millwright/contracts";
import { schemaMismatch } from "./errors.ts";
import { type FittedStep, type FittedTransforms, type InputKind, inputKindOf } from "./transform-plan.ts";

/** What a column must be to be read: a date or a timestamp only where its parts are taken. */
type RawKind = InputKind | "date" | "timestamp";

/** The columns that the steps read, by name, with the kind that each must be. */
function inputsOf(steps: readonly FittedStep[]): Readonly<Record<string, RawKind>> {
  const kindOf = (step: FittedStep): RawKind =>
    step.kind === "dateParts" ? (step.unit === "day" ? "date" : "timestamp") : step.input;
  // A column that is a date to one step is a number to another: the narrower says more.
  const inputs = new Map<string, RawKind>();
  for (const step of steps) {
    const known = inputs.get(step.column);
    if (known === undefined || known === "number") inputs.set(step.column, kindOf(step));
  }
  return Object.fromEntries([...inputs].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @returns the digest of the columns that steps read and their kinds: equal where the same tables can be given to both. */
export function transformSchemaDigest(steps: readonly FittedStep[]): Digest {
  return digestOfJson(inputsOf(steps));
}

/** Throws `DATA_SCHEMA_MISMATCH`, naming every column that is absent or of another kind, unless tables of the schema can be transformed. */
export function assertTransformable(fitted: FittedTransforms, schema: Schema): void {
  const problems = Object.entries(inputsOf(fitted.steps)).flatMap(([name, wanted]) => {
    const field = schema.find((each) => each.name === name);
    if (field === undefined) return [`the transforms read the column "${name}", which is absent`];
    const kind: InputKind | undefined = inputKindOf(field.type);
    const fits = wanted === "date" || wanted === "timestamp" ? field.type === wanted : kind === wanted;
    return fits ? [] : [`the column "${name}" is ${field.type} where the transforms read a ${wanted}`];
  });
  if (problems.length > 0) throw schemaMismatch(problems.join("; "));
}

const rawTypes: Readonly<Record<RawKind, ColumnType>> = {
  number: "float64",
  bool: "bool",
  text: "utf8",
  date: "date",
  timestamp: "timestamp",
};

/**
 * @returns the columns that fitted transforms read, by name: what a row must hold to be transformed. `float64` stands for every type of number, `utf8`
 * for text however it is kept, and null is told apart in all.
 */
export function transformSchema({ steps }: FittedTransforms): Schema {
  return Object.entries(inputsOf(steps)).map(([name, kind]) => ({ name, type: rawTypes[kind] }));
}
