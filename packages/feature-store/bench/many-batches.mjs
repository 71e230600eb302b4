// How long calls take while a history grows to many batches: `node bench/many-batches.mjs [batches]`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, column, datasetOf } from "@millwright/data";
import {
  days,
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "@millwright/feature-store";

const batches = Number(process.argv[2] ?? 10_000);
const view = defineFeatureView({
  name: "clicks",
  entity: defineEntity({ name: "user", keys: { user: "int32" } }),
  eventTime: "at",
  aggregates: { rows: count(days(1)) },
});
const service = defineFeatureService({ name: "all", views: [view] });
const history = await mkdtemp(join(tmpdir(), "many-batches-"));
const open = () => openFeatureStore({ history, services: [service] });
let store = await open();
const timed = async (work) => {
  const began = performance.now();
  const result = await work();
  return [performance.now() - began, result];
};
const say = (text) => console.log(text);
let total = 0;
for (let number = 1; number <= batches; number++) {
  const batch = batchOf({
    user: column("int32", [number % 100]),
    at: column("timestamp", [new Date(Date.UTC(2024, 0, 1) + number)]),
  });
  const [took] = await timed(() => store.ingest(view, datasetOf([batch])));
  total += took;
  if (number % 1000 === 0) {
    say(`${number} batches: ingest ${(total / 1000).toFixed(1)} ms`);
    total = 0;
  }
  if (number === batches) {
    const read = async () => {
      let rows = 0;
      for await (const each of (await store.scan(view)).batches()) rows += each.length;
      return rows;
    };
    const report = async (when) => {
      const [scanned, rows] = await timed(read);
      await store[Symbol.asyncDispose]();
      const [opened, again] = await timed(open);
      store = again;
      say(`${when}: scan of ${rows} rows ${scanned.toFixed(0)} ms, open ${opened.toFixed(0)} ms`);
    };
    await report("before compaction");
    const [took, result] = await timed(() => store.compact(view, { graceMs: 0 }));
    say(`compaction: ${took.toFixed(0)} ms, ${JSON.stringify(result)}`);
    await report("after compaction");
    const [ingest] = await timed(() =>
      store.ingest(view, datasetOf([batchOf({ user: column("int32", [1]), at: column("timestamp", [new Date(0)]) })])),
    );
    say(`one more ingest: ${ingest.toFixed(1)} ms`);
  }
}
await store[Symbol.asyncDispose]();
await rm(history, { recursive: true });
