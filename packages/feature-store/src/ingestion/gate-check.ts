import type { Batch } from "@millwright/contracts";
import { column, columnOf, toArray } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { definitionInvalid } from "../errors.ts";
import { type Gate, type GateAction, gateColumns, type NamedRule } from "../definition/gate.ts";
import type { BatchValidity } from "../history/history-log.ts";
import { gateRefused } from "./ingest-errors.ts";
import { sourceSchema } from "../definition/source-columns.ts";
import { FAILED_RULES, VERDICT } from "../definition/system-columns.ts";

type Values = ReturnType<typeof toArray>;

/** What `VERDICT` holds. */
export const VERDICTS = { stored: 0, warned: 1, quarantined: 2, rejected: 3 } as const;
const VERDICT_OF: Readonly<Record<GateAction, number>> = { warn: 1, quarantine: 2, reject: 3 };

/** Looks at all rows of one call, batch after batch. */
export interface GateCheck {
  /** Adds the columns `FAILED_RULES` (null where a row broke none) and `VERDICT`. */
  mark(batch: Batch): Promise<Batch>;
  /** Throws `FEATURE_STORE_GATE_REFUSED` where a rule with the action `reject` was broken. */
  finish(): GateOutcome;
}

export interface GateOutcome {
  readonly checkedRows: number;
  readonly failures: BatchValidity["failures"];
  /** Names of the rules about whole batches that put all rows aside. */
  readonly quarantinedBy: readonly string[];
}

type RowTest = (batch: Batch) => Promise<(row: number) => boolean> | ((row: number) => boolean);
interface BatchTest {
  see(batch: Batch): void;
  fails(): boolean;
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where the gate speaks of columns that the view has not. */
export function checkGate(view: FeatureView, gate: Gate): void {
  const known = sourceSchema(view).map(({ name }) => name);
  const unknown = gateColumns(gate).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw definitionInvalid(
      `The gate of "${view.name}"`,
      `it speaks of the column "${unknown}"`,
      `Columns of the view are ${known.join(", ")}.`,
    );
  }
}

export function openGate(view: FeatureView, gate: Gate, nowMs: number): GateCheck {
  const rowRules = gate.rules.flatMap((rule) => {
    const test = rowTest(view, rule, nowMs);
    return test === undefined ? [] : [{ ...rule, test }];
  });
  const batchRules = gate.rules.flatMap((rule) => {
    const test = batchTest(view, rule, nowMs);
    return test === undefined ? [] : [{ ...rule, test }];
  });
  const failures: Record<string, number> = Object.fromEntries(gate.rules.map(({ name }) => [name, 0]));
  let checkedRows = 0;
  return {
    async mark(batch) {
      const failed = Array<string | null>(batch.length).fill(null);
      const verdicts = new Array<number>(batch.length).fill(VERDICTS.stored);
      for (const { name, action, test } of rowRules) {
        const fails = await test(batch);
        for (let row = 0; row < batch.length; row++) {
          if (!fails(row)) continue;
          failures[name]! += 1;
          failed[row] = failed[row] === null ? name : `${failed[row]},${name}`;
          verdicts[row] = Math.max(verdicts[row]!, VERDICT_OF[action]);
        }
      }
      for (const { test } of batchRules) test.see(batch);
      checkedRows += batch.length;
      const marks = { [FAILED_RULES]: column("utf8", failed), [VERDICT]: column("int8", verdicts) };
      return { length: batch.length, columns: { ...batch.columns, ...marks } };
    },
    finish() {
      const broken = batchRules.filter(({ test }) => checkedRows > 0 && test.fails());
      for (const { name } of broken) failures[name] = checkedRows;
      const refusing = gate.rules.filter(({ name, action }) => action === "reject" && failures[name]! > 0);
      if (refusing.length > 0) {
        throw gateRefused(
          view.name,
          checkedRows,
          Object.fromEntries(refusing.map(({ name }) => [name, failures[name]!])),
        );
      }
      const quarantinedBy = broken.filter(({ action }) => action === "quarantine").map(({ name }) => name);
      return { checkedRows, failures, quarantinedBy };
    },
  };
}

/** @returns undefined for rules about whole batches. */
function rowTest(view: FeatureView, rule: NamedRule, nowMs: number): RowTest | undefined {
  switch (rule.rule) {
    case "notNull":
      return ofValues(rule.column, (value) => value === null);
    case "range":
      return ofValues(rule.column, (value) => value !== null && !isWithin(value, rule));
    case "set": {
      const allowed = new Set<unknown>(rule.values.map(comparable));
      return ofValues(rule.column, (value) => value !== null && !allowed.has(comparable(value)));
    }
    case "notInFuture": {
      const latestUs = BigInt(Math.round((nowMs + (rule.toleranceMs ?? 0)) * 1000));
      return ofValues(view.eventTime, (value) => value !== null && (value as bigint) > latestUs);
    }
    case "schema":
      return async (batch) => {
        const names = sourceSchema(view).map(({ name }) => name);
        const columns = names.map((name) => toArray(columnOf(batch, name)));
        const issues = Array.from({ length: batch.length }, async (_, row) => {
          const value = Object.fromEntries(names.map((name, index) => [name, columns[index]![row]]));
          return (await rule.schema["~standard"].validate(value)).issues !== undefined;
        });
        const fails = await Promise.all(issues);
        return (row) => fails[row]!;
      };
    case "nullRate":
    case "freshness":
      return undefined;
  }
}

function ofValues(name: string, fails: (value: Values[number]) => boolean): RowTest {
  return (batch) => {
    const values = toArray(columnOf(batch, name));
    return (row) => fails(values[row]!);
  };
}

function isWithin(
  value: Values[number],
  { min, max }: { min?: number | bigint | undefined; max?: number | bigint | undefined },
): boolean {
  const number = value as number | bigint;
  return (min === undefined || number >= min) && (max === undefined || number <= max);
}

/** 64-bit integers and numbers that mean the same are the same. */
const comparable = (value: unknown): unknown =>
  typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;

/** @returns undefined for rules about rows. */
function batchTest(view: FeatureView, rule: NamedRule, nowMs: number): BatchTest | undefined {
  if (rule.rule === "nullRate") {
    let nulls = 0;
    let rows = 0;
    return {
      see(batch) {
        for (const value of toArray(columnOf(batch, rule.column))) if (value === null) nulls++;
        rows += batch.length;
      },
      fails: () => nulls / rows > rule.max,
    };
  }
  if (rule.rule === "freshness") {
    const oldestUs = BigInt(Math.round((nowMs - rule.maxAgeMs) * 1000));
    let isFresh = false;
    return {
      see(batch) {
        for (const value of toArray(columnOf(batch, view.eventTime))) {
          if (value !== null && (value as bigint) > oldestUs) isFresh = true;
        }
      },
      fails: () => !isFresh,
    };
  }
  return undefined;
}

/**
 * Looks at rows that are put: there is a caller to answer to, so a rule that would put rows aside refuses them like one that rejects.
 * @returns the rules that each row broke and is stored all the same; undefined where none did. Throws `FEATURE_STORE_GATE_REFUSED`.
 */
export async function checkPut(
  view: FeatureView,
  { rules }: Gate,
  batch: Batch,
  nowMs: number,
): Promise<(string | null)[]> {
  const strict = rules.map((rule) => (rule.action === "quarantine" ? { ...rule, action: "reject" as const } : rule));
  const check = openGate(view, { rules: strict }, nowMs);
  const { columns } = await check.mark(batch);
  check.finish();
  return toArray(columns[FAILED_RULES]!) as (string | null)[];
}
