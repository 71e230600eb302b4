import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createObjectiveTable, createSloCounts, defineObjective, googleProfile, readObjective } from "../src/slo.ts";

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
const quick = googleProfile().map((row) => ({
  ...row,
  longMs: row.longMs / 12,
  shortMs: Math.max(minute, row.shortMs / 12 - ((row.shortMs / 12) % minute)),
}));

test("a table of objectives fires as each of them does by itself, with late events and silences", () => {
  let fired = 0;
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = createRandom(seed);
    const objectives = Array.from({ length: 7 }, (_, at) =>
      defineObjective({
        name: `o${at}`,
        objective: [0.9, 0.99, 0.999][at % 3]!,
        profile: quick,
        minimumEvents: random.integer(15),
      }),
    );
    const table = createObjectiveTable(objectives);
    const counts = objectives.map((each) => createSloCounts(each, { bucketMs: minute }));
    let now = start;
    const ratios = objectives.map(() => 0);
    for (let round = 0; round < 500; round += 1) {
      now += random.next() < 0.01 ? random.integer(500) * minute : minute;
      for (const [at] of objectives.entries()) {
        if (random.next() < 0.03) ratios[at] = random.next() < 0.6 ? 0 : random.next() ** 3;
        if (random.next() < 0.2) continue;
        const total = 1 + random.integer(12);
        const bad = Array.from({ length: total }, () => random.next()).filter((draw) => draw < ratios[at]!).length;
        const timeMs = now - (random.next() < 0.1 ? random.integer(60) * minute : 0);
        table.add(at, timeMs, total - bad, total);
        counts[at]!.add(timeMs, total - bad, total);
      }
      if (round % 4 !== 0) continue;
      const expected = objectives.map((each, at) =>
        readObjective(each, counts[at]!, now).rows.reduce(
          (bits, { state }, row) => bits | (state === "firing" ? 1 << row : 0),
          0,
        ),
      );
      expect([...table.evaluate(now)], `seed ${seed}, round ${round}`).toEqual(expected);
      fired += expected.filter((bits) => bits !== 0).length;
    }
  }
  expect(fired).toBeGreaterThan(500);
});

test("a table takes only objectives that it can tell as they are", () => {
  const plain = defineObjective({ name: "a", objective: 0.9 });
  const code = (text: string) => expect.objectContaining({ code: text }) as Error;
  expect(() => createObjectiveTable([])).toThrow(code("MONITOR_SLO_INVALID"));
  expect(() => createObjectiveTable([plain, defineObjective({ name: "b", objective: 0.9, profile: quick })])).toThrow(
    code("MONITOR_SLO_INVALID"),
  );
  expect(() => createObjectiveTable([defineObjective({ name: "b", objective: 0.9, missingData: "bad" })])).toThrow(
    code("MONITOR_SLO_UNTRANSLATABLE"),
  );
  expect(() => createObjectiveTable([plain]).add(1, start, 1, 1)).toThrow(RangeError);
  expect([...createObjectiveTable([plain]).evaluate(start)]).toEqual([0]);
});
