import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Batch, createManualClock, type StandardSchema } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineGate,
  type FeatureStore,
  type FeatureStoreOptions,
  type GateDefinition,
  openFeatureStore,
} from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const NOW = 1000 * HOUR;
const view = defineFeatureView({
  name: "orders",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  features: { amount: "float64", country: "utf8", items: "int64" },
});
const service = defineFeatureService({ name: "all", views: [view] });

type Row = readonly [
  user: string | null,
  hoursAgo: number,
  amount: number | null,
  country: string | null,
  items: bigint,
];
const given = (...rows: Row[]): Batch =>
  batchOf({
    user: column(
      "utf8",
      rows.map(([user]) => user),
    ),
    at: column(
      "timestamp",
      rows.map(([, ago]) => new Date(NOW - ago * HOUR)),
    ),
    amount: column(
      "float64",
      rows.map(([, , amount]) => amount),
    ),
    country: column(
      "utf8",
      rows.map(([, , , country]) => country),
    ),
    items: column(
      "int64",
      rows.map(([, , , , items]) => items),
    ),
  });

async function opened(
  directory: string,
  gate: GateDefinition | undefined,
  options: Partial<FeatureStoreOptions> = {},
): Promise<FeatureStore> {
  const gates = gate === undefined ? {} : { orders: defineGate(gate) };
  return await openFeatureStore({
    history: directory,
    services: [service],
    clock: createManualClock(NOW),
    gates,
    ...options,
  });
}

/** Refuses rows whose items do not fit their amount: any validator's schema does. */
const consistent: StandardSchema = {
  "~standard": {
    version: 1,
    vendor: "test",
    async validate(value) {
      const { amount, items } = value as { amount: number | null; items: bigint };
      return items > 0n || amount === 0 ? { value } : { issues: [{ message: "an amount without items" }] };
    },
  },
};

test("FS-27: bad rows are put aside with reasons, good rows of the same batch are stored, noted rows carry the rules, and counts add up", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using duckdb = await openDuckDb();
  await using store = await opened(
    directory.path,
    {
      action: "quarantine",
      rules: [
        { rule: "range", column: "amount", min: 0, max: 1000 },
        { rule: "set", column: "country", values: ["DE", "FR"] },
        { rule: "notNull", column: "country", action: "warn", name: "country known" },
        { rule: "schema", schema: consistent, name: "consistent" },
        { rule: "notInFuture", toleranceMs: HOUR },
        { rule: "nullRate", column: "amount", max: 0.5, action: "warn" },
        { rule: "freshness", maxAgeMs: 24 * HOUR, action: "warn" },
      ],
    },
    { online, duckdb },
  );
  const rows = given(
    ["ann", 1, 10, "DE", 1n],
    ["bob", 2, -1, "XX", 1n], // two rules
    ["cid", 3, null, null, 2n], // a warning
    ["dan", 4, 5, "FR", 0n], // the schema
    ["eve", -2, 5, "FR", 1n], // two hours ahead
    ["fay", -1, 5, "FR", 1n], // within the tolerance
    [null, 1, 5, "FR", 1n], // no key
    ["gus", 5, Number.NaN, "FR", 1n], // in no range
  );
  const validity = {
    checkedRows: 8,
    warnedRows: 1,
    quarantinedRows: 4,
    failures: {
      "range(amount)": 2,
      "set(country)": 1,
      "country known": 1,
      consistent: 1,
      notInFuture: 1,
      "nullRate(amount)": 0,
      freshness: 0,
    },
  };
  const result = await store.ingest(view, batches(rows), { batchId: "monday" });
  expect(result).toMatchObject({ added: true, rows: 3, skippedRows: 1, quarantinedRows: 4, validity });
  expect(result.rows + result.skippedRows + result.quarantinedRows).toBe(rows.length);
  // The same again says the same.
  expect(await store.ingest(view, batches(rows), { batchId: "monday" })).toMatchObject({
    added: false,
    rows: 3,
    validity,
  });
  const stored = await columnsOfDataset(await store.scan(view));
  expect(stored["user"]).toEqual(["cid", "ann", "fay"]);
  expect(stored["failed_rules"]).toEqual(["country known", null, null]);
  const aside = await columnsOfDataset(await store.quarantined(view));
  expect(aside["user"]).toEqual(["bob", "dan", "eve", "gus"]);
  expect(aside["failed_rules"]).toEqual(["range(amount),set(country)", "consistent", "notInFuture", "range(amount)"]);
  expect(aside["amount"]).toEqual([-1, 5, 5, Number.NaN]);
  // Any Parquet tool reads the folder beside the history.
  const [file] = await readdir(join(directory.path, "orders", "_quarantine"));
  expect((await duckdb.scan(join(directory.path, "orders", "_quarantine", file!))).rows).toBe(4);
  // What is put aside does not come online, and merging files keeps the notes.
  await store.materialize(view);
  expect(await store.get(view, { user: "bob" })).toMatchObject({ status: "missing" });
  expect(await store.get(view, { user: "cid" })).toMatchObject({ status: "present" });
  await store.ingest(view, batches(given(["hal", 1, null, null, 1n])));
  await store.compact(view, { graceMs: 0 });
  const merged = await columnsOfDataset(await store.scan(view));
  expect(merged["failed_rules"]).toEqual(["country known", null, "country known", null]);
  expect(merged["user"]).toEqual(["cid", "ann", "hal", "fay"]);
});

test("a rule that rejects refuses the whole call; rules about whole batches put all rows aside, or note it", async () => {
  await using directory = await temporaryDirectory();
  const half = given(["ann", 1, null, "DE", 1n], ["bob", 2, 5, "DE", 1n], ["cid", 3, null, "DE", 1n]);
  const stale = given(["ann", 30, 1, "DE", 1n], ["bob", 25, 5, "DE", 1n]);
  {
    await using store = await opened(directory.path, {
      rules: [
        { rule: "nullRate", column: "amount", max: 0.6 },
        { rule: "freshness", maxAgeMs: 24 * HOUR, action: "quarantine" },
      ],
    });
    await expect(store.ingest(view, batches(half))).rejects.toMatchObject({
      code: "FEATURE_STORE_GATE_REFUSED",
      category: "data",
      message: expect.stringContaining("nullRate(amount) fails for 3") as string,
    });
    expect(await store.ingest(view, batches(stale))).toMatchObject({ rows: 0, quarantinedRows: 2, skippedRows: 0 });
    expect((await columnsOfDataset(await store.quarantined(view)))["failed_rules"]).toEqual(["freshness", "freshness"]);
    expect(await store.ingest(view, batches(given()), { batchId: "none" })).toMatchObject({
      rows: 0,
      quarantinedRows: 0,
    });
  }
  await using store = await opened(directory.path, undefined);
  expect((await columnsOfDataset(await store.scan(view)))["user"]).toEqual([]);
  const ungated = await store.ingest(view, batches(half));
  expect(ungated).toMatchObject({ rows: 3, quarantinedRows: 0 });
  expect(ungated).not.toHaveProperty("validity");
  expect((await columnsOfDataset(await store.scan(view)))["user"]).toEqual(["cid", "bob", "ann"]);
});

test("what is put has a caller to answer to: a rule that would put it aside refuses it, and a note goes into the history", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using store = await opened(
    directory.path,
    {
      action: "quarantine",
      rules: [
        { rule: "range", column: "amount", min: 0 },
        { rule: "notNull", column: "country", action: "warn" },
      ],
    },
    { online },
  );
  const row = (amount: number, country: string | null) => ({
    user: "ann",
    at: new Date(NOW - HOUR),
    amount,
    country,
    items: 1n,
  });
  await expect(store.put(view, [row(-1, "DE")])).rejects.toMatchObject({ code: "FEATURE_STORE_GATE_REFUSED" });
  expect(await store.get(view, { user: "ann" })).toMatchObject({ status: "missing" });
  await store.put(view, [row(1, null)]);
  await expect(store.update(view, { user: "ann" }, { amount: -5 })).rejects.toMatchObject({
    code: "FEATURE_STORE_GATE_REFUSED",
  });
  expect((await store.get(view, { user: "ann" })).values).toMatchObject({ amount: 1 });
  await store.delete(view, { user: "ann" });
  const stored = await columnsOfDataset(await store.scan(view, { deleted: "keep" }));
  expect(stored["failed_rules"]).toEqual(["notNull(country)", null]);
});

test("gates that contradict themselves or their view are refused by name", async () => {
  const fails = (definition: GateDefinition, message: string): void => {
    expect(() => defineGate(definition)).toThrow(message);
  };
  fails({ rules: [] }, "it has no rules");
  fails(
    { rules: [{ rule: "range", column: "a" }] },
    'The rule "range(a)" cannot be defined: it has neither `min` nor `max`',
  );
  fails({ rules: [{ rule: "range", column: "a", min: 2, max: 1n }] }, "min is 2 and max 1");
  fails({ rules: [{ rule: "set", column: "a", values: [] }] }, "it allows no value");
  fails({ rules: [{ rule: "nullRate", column: "a", max: 1.1 }] }, "max is 1.1");
  fails({ rules: [{ rule: "freshness", maxAgeMs: 0 }] }, "maxAgeMs is 0");
  fails({ rules: [{ rule: "notInFuture", toleranceMs: -1 }] }, "toleranceMs is -1");
  fails({ rules: [{ rule: "notInFuture", name: "a,b" }] }, "a comma");
  fails({ rules: [{ rule: "notInFuture" }, { rule: "notInFuture" }] }, 'two rules are called "notInFuture"');
  await using directory = await temporaryDirectory();
  const gate = { rules: [{ rule: "notNull", column: "colour" }] } as const;
  await expect(opened(directory.path, gate)).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_INVALID",
    message: expect.stringContaining('"colour"') as string,
  });
  await expect(
    openFeatureStore({ history: directory.path, services: [service], gates: { nobody: defineGate(gate) } }),
  ).rejects.toMatchObject({ code: "FEATURE_STORE_VIEW_UNKNOWN" });
});
