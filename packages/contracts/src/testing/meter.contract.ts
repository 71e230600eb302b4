import assert from "node:assert/strict";
import type { Labels, Meter } from "../meter.ts";
import type { ContractCase } from "./contract-case.ts";

/** A meter without instruments. */
export interface MeterFixture {
  readonly meter: Meter;
  /**
   * Reads a counter's or gauge's value, or a histogram's number of observations; `undefined` where nothing was measured. Absent where
   * nothing is kept.
   */
  readonly read?: ((name: string, labels: Labels) => Promise<number | undefined>) | undefined;
}

const keeps = ({ read }: MeterFixture): boolean => read !== undefined;

const canBeTold = ({ meter }: MeterFixture): boolean =>
  meter.gauge("millwright_contract_told", { help: "A level." }).onRead !== undefined;

const readOf = ({ read }: MeterFixture): NonNullable<MeterFixture["read"]> => {
  assert.ok(read !== undefined);
  return read;
};

/** What each meter promises. */
export const meterContract: readonly ContractCase<MeterFixture>[] = [
  {
    name: "measuring never throws, whatever comes",
    run: async ({ meter }) => {
      const labelNames = ["route"];
      const counter = meter.counter("millwright_contract_total", { help: "Counts.", labelNames });
      const gauge = meter.gauge("millwright_contract_level", { help: "A level.", labelNames });
      const histogram = meter.histogram("millwright_contract_seconds", {
        help: "Times.",
        labelNames,
        buckets: [0.1, 1],
      });
      for (const value of [0, 1, 1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
        gauge.set(value, { route: "odd" });
        histogram.observe(value, { route: "odd" });
        counter.add(value, { route: "odd" });
      }
      counter.add(-1, { route: "odd" });
      counter.add();
      gauge.set(1);
      histogram.observe(1);
    },
  },
  {
    name: "asking again for a name gives the instrument there is",
    run: async ({ meter, read }) => {
      const labelNames = ["route"];
      for (let turn = 0; turn < 3; turn += 1) {
        meter.counter("millwright_contract_total", { help: "Counts.", labelNames }).add(2, { route: "a" });
      }
      if (read !== undefined) assert.equal(await read("millwright_contract_total", { route: "a" }), 6);
    },
  },
  {
    name: "counters add up, by one unless told otherwise, each label set for itself",
    appliesTo: keeps,
    run: async (fixture) => {
      const counter = fixture.meter.counter("millwright_contract_total", { help: "Counts.", labelNames: ["route"] });
      counter.add(undefined, { route: "a" });
      counter.add(2.5, { route: "a" });
      counter.add(1, { route: "b" });
      assert.equal(await readOf(fixture)("millwright_contract_total", { route: "a" }), 3.5);
      assert.equal(await readOf(fixture)("millwright_contract_total", { route: "b" }), 1);
    },
  },
  {
    name: "a gauge keeps the last value",
    appliesTo: keeps,
    run: async (fixture) => {
      const gauge = fixture.meter.gauge("millwright_contract_level", { help: "A level." });
      for (const value of [3, -1, 2]) gauge.set(value);
      assert.equal(await readOf(fixture)("millwright_contract_level", {}), 2);
    },
  },
  {
    name: "a gauge that can be told when it is read is told each time, by all that asked, until they end it",
    appliesTo: (fixture) => keeps(fixture) && canBeTold(fixture),
    run: async (fixture) => {
      const options = { help: "A level.", labelNames: ["of"] };
      const read = (of: string): Promise<number | undefined> => readOf(fixture)("millwright_contract_level", { of });
      const ends = ["a", "b"].map((of) => {
        const gauge = fixture.meter.gauge("millwright_contract_level", options);
        let told = 0;
        return gauge.onRead?.(() => gauge.set((told += 1), { of }));
      });
      const first = await read("a");
      assert.ok(first !== undefined && first >= 1);
      assert.ok(((await read("a")) ?? 0) > first);
      assert.ok(((await read("b")) ?? 0) > first);
      ends[0]?.();
      const last = await read("a");
      const before = (await read("b")) ?? 0;
      assert.equal(await read("a"), last);
      assert.ok(((await read("b")) ?? 0) > before);
    },
  },
  {
    name: "a histogram counts its observations",
    appliesTo: keeps,
    run: async (fixture) => {
      const histogram = fixture.meter.histogram("millwright_contract_seconds", { help: "Times.", buckets: [1, 2] });
      for (const value of [0.5, 1.5, 99]) histogram.observe(value);
      assert.equal(await readOf(fixture)("millwright_contract_seconds", {}), 3);
    },
  },
  {
    name: "label sets beyond maxSeries are counted together under overflow",
    appliesTo: keeps,
    run: async (fixture) => {
      const counter = fixture.meter.counter("millwright_contract_total", {
        help: "Counts.",
        labelNames: ["user"],
        maxSeries: 10,
      });
      for (let user = 0; user < 500; user += 1) counter.add(1, { user: `u${user}` });
      counter.add(1, { user: "u3" });
      assert.equal(await readOf(fixture)("millwright_contract_total", { user: "u3" }), 2);
      assert.equal(await readOf(fixture)("millwright_contract_total", { user: "overflow" }), 490);
      assert.equal(await readOf(fixture)("millwright_contract_total", { user: "u499" }), undefined);
    },
  },
];
