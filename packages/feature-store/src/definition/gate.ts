import type { StandardSchema } from "@millwright/contracts";
import { definitionInvalid } from "../errors.ts";
import { checkChoice } from "./definition-check.ts";

/** What becomes of rows that break a rule: the whole call is refused, they are put aside, or they are stored with a note. */
export type GateAction = "reject" | "quarantine" | "warn";

/** A rule about each row, or (`nullRate`, `freshness`) about all rows of a batch together. Nulls break only `notNull` and `schema`. */
export type GateRule = {
  /** Stands in counts and reasons. Default: what the rule is and of which column, such as `range(delay)`. */
  readonly name?: string | undefined;
  /** Default: the gate's. */
  readonly action?: GateAction | undefined;
} & (
  | { readonly rule: "notNull"; readonly column: string }
  /** Numbers and timestamps (microseconds) from `min` to `max`, both included; NaN is in no range. */
  | {
      readonly rule: "range";
      readonly column: string;
      readonly min?: number | bigint | undefined;
      readonly max?: number | bigint | undefined;
    }
  | { readonly rule: "set"; readonly column: string; readonly values: readonly (string | number | bigint | boolean)[] }
  /** Any Standard Schema of a row: its columns by name, 64-bit integers and timestamps (microseconds) as bigint. */
  | { readonly rule: "schema"; readonly schema: StandardSchema }
  /** The event time is at most so far ahead of the clock. Default: 0. */
  | { readonly rule: "notInFuture"; readonly toleranceMs?: number | undefined }
  /** At most this share of a batch's rows, from 0 to 1, is null in the column. */
  | { readonly rule: "nullRate"; readonly column: string; readonly max: number }
  /** The newest row of a batch is less than this old when it is written. */
  | { readonly rule: "freshness"; readonly maxAgeMs: number }
);

/** What rows of a view must be before they are stored. */
export interface Gate {
  readonly rules: readonly NamedRule[];
}

export type NamedRule = GateRule & { readonly name: string; readonly action: GateAction };

export interface GateDefinition {
  readonly rules: readonly GateRule[];
  /** What becomes of rows that break a rule which does not say. Default: `"reject"`. */
  readonly action?: GateAction | undefined;
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineGate({ rules, action = "reject" }: GateDefinition): Gate {
  if (rules.length === 0) throw definitionInvalid("The gate", "it has no rules", "Give it at least one.");
  const named = rules.map((rule): NamedRule => {
    const made = { ...rule, name: rule.name ?? nameOf(rule), action: rule.action ?? action };
    checkRule(made);
    return made;
  });
  const names = named.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw definitionInvalid("The gate", `two rules are called "${twice}"`, "Give each a `name` of its own.");
  }
  return { rules: named };
}

const RULES: readonly GateRule["rule"][] = [
  "notNull",
  "range",
  "set",
  "schema",
  "notInFuture",
  "nullRate",
  "freshness",
];

const nameOf = (rule: GateRule): string => ("column" in rule ? `${rule.rule}(${rule.column})` : rule.rule);

function checkRule(rule: NamedRule): void {
  const fail = (problem: string, remedy: string): never => {
    throw definitionInvalid(`The rule "${rule.name}"`, problem, remedy);
  };
  checkChoice("A rule of the gate", "rule", rule.rule, RULES);
  checkChoice(`The rule "${rule.name}"`, "action", rule.action, ["reject", "quarantine", "warn"]);
  if (/[,\n]/.test(rule.name))
    fail("its name has a comma or a line end", "Reasons are lists of names: leave them out.");
  if (rule.rule === "range" && rule.min === undefined && rule.max === undefined) {
    fail("it has neither `min` nor `max`", "Give at least one.");
  }
  if (rule.rule === "range" && rule.min !== undefined && rule.max !== undefined && !(rule.min <= rule.max)) {
    fail(`min is ${rule.min} and max ${rule.max}`, "Give a `max` that is not below `min`.");
  }
  if (rule.rule === "set" && rule.values.length === 0) fail("it allows no value", "Name those that are allowed.");
  if (rule.rule === "nullRate" && !(rule.max >= 0 && rule.max <= 1)) {
    fail(`max is ${rule.max}`, "Give a share from 0 to 1.");
  }
  if (rule.rule === "freshness" && !(rule.maxAgeMs > 0)) fail(`maxAgeMs is ${rule.maxAgeMs}`, "Give an age above 0.");
  if (rule.rule === "notInFuture" && !((rule.toleranceMs ?? 0) >= 0)) {
    fail(`toleranceMs is ${rule.toleranceMs}`, "Give 0 or more.");
  }
}

/** The columns that a gate speaks of. */
export const gateColumns = ({ rules }: Gate): readonly string[] =>
  rules.flatMap((rule) => ("column" in rule ? [rule.column] : []));
