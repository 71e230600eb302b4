import { createManualClock, createRandom } from "@millwright/contracts";
import { type TrafficRecord, openRegistry } from "@millwright/registry";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop, registerVersions, startMs } from "./workshop.ts";

/** The workshop's database, and how many rows were read through it. */
function counting({ database }: Workshop): { readonly counted: Workshop["database"]; readonly rows: () => number } {
  let rows = 0;
  const read = database.read.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      rows += result.rows.length;
      return result;
    },
  });
  const counted: Workshop["database"] = new Proxy(database, {
    get(target, key) {
      if (key === "typed") return () => counted;
      if (key === "read") return read;
      const member: unknown = Reflect.get(target, key);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { counted, rows: () => rows };
}

test("the traffic of an instant is read without its history, and is what the history says", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { artifacts, folder } = workshop;
  await registerVersions(workshop, 3);
  const { counted, rows } = counting(workshop);
  await using registry = await openRegistry({ database: counted, artifacts, directory: folder, clock });
  const random = createRandom(7);
  const changes: TrafficRecord[] = [];
  for (let change = 0; change < 300; change += 1) {
    if (random.next() < 0.7) await clock.advance(1000);
    const version = 1 + Math.floor(random.next() * 3);
    const main = { variant: "main", name: "late", version, share: 0.5 };
    const shares = random.next() < 0.1 ? [] : [{ ...main, variant: "canary" }, main];
    const place = { endpoint: `e${Math.floor(random.next() * 3)}`, environment: random.next() < 0.5 ? "test" : "live" };
    changes.push(await registry.recordTraffic({ ...place, shares, by: "ci" }));
  }
  const placeOf = ({ environment, endpoint }: TrafficRecord): string => `${environment}/${endpoint}`;
  const naive = (timeMs: number): TrafficRecord[] => {
    const last = new Map(changes.filter((each) => each.timeMs <= timeMs).map((each) => [placeOf(each), each]));
    return [...last.values()]
      .filter(({ shares }) => shares.length > 0)
      .toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  };
  for (const timeMs of [startMs - 1, startMs, startMs + 50_000, startMs + 123_456, clock.nowMs()]) {
    const before = rows();
    expect(await registry.trafficAt(timeMs)).toEqual(naive(timeMs));
    // Six endpoints, and two variants of each.
    expect(rows() - before).toBeLessThanOrEqual(18);
  }
  expect(await registry.trafficAt(undefined, { endpoint: "e1", environment: "live" })).toEqual(
    naive(clock.nowMs()).filter((each) => placeOf(each) === "live/e1"),
  );
  const before = rows();
  await registry.deleteVersion("late", 1, { by: "ann" }).catch(() => undefined);
  expect(rows() - before).toBeLessThanOrEqual(20);
});

test("what changed is read once, and later only what was written since", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { database, artifacts, folder } = workshop;
  const { counted, rows } = counting(workshop);
  await using registry = await openRegistry({ database: counted, artifacts, directory: folder, clock });
  const log = openEventLog(database);
  const ingest = async (batch: number): Promise<void> => {
    await clock.advance(1000);
    await log.append([
      { source: "test", type: "feature.ingested", subject: "flights", data: { rows: batch % 7, batchId: `${batch}` } },
    ]);
  };
  for (let batch = 0; batch < 600; batch += 1) await ingest(batch);
  const window = { from: clock.nowMs() - 3000, to: clock.nowMs() };
  const first = await registry.whatChanged(window);
  expect(first).toHaveLength(3);
  const before = rows();
  expect(await registry.whatChanged(window)).toEqual(first);
  await ingest(600);
  expect(await registry.whatChanged({ from: window.to, to: clock.nowMs() })).toMatchObject([{ before: 3, after: 5 }]);
  expect(rows() - before).toBeLessThanOrEqual(10);
});
