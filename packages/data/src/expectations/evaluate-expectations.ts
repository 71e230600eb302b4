import type { Batch, Dataset, Schema } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { columnType, schemaMismatch } from "../errors.ts";
import { createProfiler, mergeProfiles, type Profile } from "../profile.ts";
import { type CheckLimits, type CheckState, emptyCheck, mergeChecks } from "./check-state.ts";
import { problemOf } from "./column-fit.ts";
import { columnsOf, type Expectation, type ExpectationSet } from "./expectation.ts";
import { createCheck } from "./expectation-checks.ts";
import { type ExpectationReport, reportExpectations } from "./expectation-report.ts";
import { assertMaxKeys, defaultMaxKeys, type ReferenceKeys } from "./reference-keys.ts";

export interface ExpectationRunOptions {
  /** The references that `references` expectations name. */
  readonly references?: Readonly<Record<string, ReferenceKeys>> | undefined;
  /**
   * Most distinct keys that one `unique` expectation keeps, about 100 bytes each; beyond it repeats of keys kept are still found, and the outcome is
   * `undecided` where the others could change it. Default: 200,000.
   */
  readonly maxKeys?: number | undefined;
  /** Most violating rows named an expectation. Default: 20. */
  readonly maxSamples?: number | undefined;
}

/** What was met of a table so far, mergeable with what was met of the rows after. Survives `structuredClone`. */
export interface ExpectationState {
  readonly set: ExpectationSet;
  readonly rows: number;
  /** One an expectation, in order. */
  readonly checks: readonly CheckState[];
  /** Of the columns whose statistics or distributions are spoken of. */
  readonly profile: Profile;
  readonly limits: CheckLimits;
}

/** Looks at rows batch by batch. */
export interface ExpectationRun {
  /** Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE` for a batch that does not fit the schema; nothing of it counts then. */
  update(batch: Batch): void;
  /** What was met so far; more may follow. */
  state(): ExpectationState;
}

/**
 * Starts looking at a table with this schema; an expectation that does not fit the schema fails in the report.
 * Throws a TypeError where a reference that an expectation names is not given.
 */
export function createExpectationRun(
  schema: Schema,
  set: ExpectationSet,
  { references = {}, maxKeys = defaultMaxKeys, maxSamples = 20 }: ExpectationRunOptions = {},
): ExpectationRun {
  assertMaxKeys(maxKeys);
  if (!(Number.isInteger(maxSamples) && maxSamples >= 0))
    throw new RangeError(`maxSamples must be an integer from 0, not ${maxSamples}.`);
  assertReferences(set, references);
  const limits = { maxKeys, maxSamples };
  const checks = set.expectations.map((expectation) => {
    const problem = problemOf(expectation, schema);
    if (problem === undefined) return createCheck(expectation, limits, references);
    return { update: () => undefined, state: (): CheckState => ({ ...emptyCheck, problem }) };
  });
  const profiler = createProfiler(profiledFields(schema, set));
  const spoken = new Set(set.expectations.flatMap(columnsOf));
  const fields = schema.filter(({ name }) => spoken.has(name));
  let rows = 0;
  return {
    update(batch) {
      for (const { name, type } of fields) {
        const found = columnOf(batch, name);
        if (found.type !== type) throw columnType(name, found.type, type);
      }
      profiler.update(batch);
      for (const check of checks) check.update(batch, rows);
      rows += batch.length;
    },
    state: () => ({ set, rows, checks: checks.map((check) => check.state()), profile: profiler.profile(), limits }),
  };
}

function assertReferences(set: ExpectationSet, references: Readonly<Record<string, ReferenceKeys>>): void {
  for (const expectation of set.expectations) {
    if (expectation.kind === "references" && !Object.hasOwn(references, expectation.reference))
      throw new TypeError(
        `The expectation "${expectation.name}" needs the reference "${expectation.reference}". Pass it in references.`,
      );
  }
}

const isProfiled = ({ kind }: Expectation): boolean => kind === "statistic" || kind === "distribution";

function profiledFields(schema: Schema, set: ExpectationSet): Schema {
  const names = new Set(set.expectations.filter(isProfiled).flatMap(columnsOf));
  return schema.filter(({ name }) => names.has(name));
}

/**
 * What was met of the rows of all, in this order: rows of a later part are numbered after those of the earlier ones. Associative; equal to one pass over all rows
 * while no bound on keys is met, and with bounds as true after. Throws `DATA_SCHEMA_MISMATCH` where parts looked for different things.
 */
export function mergeExpectationStates(
  first: ExpectationState,
  ...rest: readonly ExpectationState[]
): ExpectationState {
  return rest.reduce((earlier, later) => {
    if (JSON.stringify(earlier.set) !== JSON.stringify(later.set))
      throw schemaMismatch("one part was looked at with other expectations");
    return {
      set: earlier.set,
      rows: earlier.rows + later.rows,
      checks: earlier.set.expectations.map((expectation, index) =>
        mergeChecks(
          expectation,
          earlier.checks[index] as CheckState,
          later.checks[index] as CheckState,
          earlier.rows,
          earlier.limits,
        ),
      ),
      profile: mergeProfiles(earlier.profile, later.profile),
      limits: earlier.limits,
    };
  }, first);
}

export interface EvaluateExpectationsOptions extends ExpectationRunOptions {
  /** The time that freshness is measured from, milliseconds since 1970. Needed where an expectation is `fresh`. */
  readonly nowMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a dataset once and says of each expectation whether it holds. Only the columns spoken of are read.
 * What is wrong with the data never throws: a column that is missing or of another type fails the expectations about it.
 * Throws a TypeError where a reference or `nowMs` is needed and not given.
 */
export async function evaluateExpectations(
  dataset: Dataset,
  expectations: ExpectationSet,
  { nowMs, signal, ...options }: EvaluateExpectationsOptions = {},
): Promise<ExpectationReport> {
  const run = createExpectationRun(dataset.schema, expectations, options);
  // An empty state tells what is missing before anything is read.
  reportExpectations(run.state(), { nowMs });
  const spoken = new Set(expectations.expectations.flatMap(columnsOf));
  const columns = dataset.schema.map(({ name }) => name).filter((name) => spoken.has(name));
  const [anyField] = dataset.schema;
  if (columns.length === 0 && anyField !== undefined) columns.push(anyField.name);
  for await (const batch of dataset.batches({ columns, signal })) run.update(batch);
  return reportExpectations(run.state(), { nowMs });
}
