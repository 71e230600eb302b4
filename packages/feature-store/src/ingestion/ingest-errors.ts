import { FeatureStoreError } from "../errors.ts";

export const gateRefused = (
  view: string,
  rows: number,
  failures: Readonly<Record<string, number>>,
): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_GATE_REFUSED",
    `The gate of "${view}" refuses these ${rows} rows: ${Object.entries(failures)
      .map(([rule, count]) => `${rule} fails for ${count}`)
      .join(", ")}. Nothing was stored.`,
    { category: "data", remedy: 'Mend the rows, or let the gate put them aside with the action "quarantine".' },
  );

export const keyMissing = (view: string, column: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_KEY_MISSING", `A record for "${view}" has null as its key "${column}".`, {
    category: "data",
    remedy: "Give it the keys of its entity.",
  });

export const eventTimeInvalid = (view: string, column: string, value: unknown): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_EVENT_TIME_INVALID",
    `A record for "${view}" has ${value instanceof Date ? "an invalid Date" : (JSON.stringify(value) ?? String(value))} as its event time "${column}".`,
    { category: "data", remedy: "Give it a valid `Date`, or microseconds as bigint." },
  );

export const recordRefused = (view: string, offset: number, reason: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_RECORD_REFUSED",
    `The record at offset ${offset} cannot be stored in "${view}": ${reason}`,
    { category: "data", remedy: "Mend it at its source, or take such records with `onDeadLetter`." },
  );
