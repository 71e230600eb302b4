// Microseconds to write one answer as JSON: the writer of the face, fast-json-stringify (as Fastify has it), and JSON.stringify, in turns.
// node packages/feature-store/bench/http-face.mjs [--rounds 20]      (after a build)
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createRandom } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { defineEntity, defineFeatureService, defineFeatureView } from "@millwright/feature-store";
import { answerWriter } from "../dist/http/read-route.js";
import { answerSchema } from "../dist/http/schemas.js";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "20" } } });
const rounds = Number(values.rounds);
const ofFastify = createRequire(createRequire(import.meta.url).resolve("fastify"));
const compilers = createRequire(ofFastify.resolve("@fastify/fast-json-stringify-compiler"));
const fastJsonStringify = compilers("fast-json-stringify");

const types = ["float64", "int32", "int64", "utf8", "bool", "timestamp"];
const names = Array.from({ length: 30 }, (_, index) => [`feature_${index}`, types[index % types.length]]);
const view = defineFeatureView({
  name: "stats",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  features: Object.fromEntries(names),
});
const service = defineFeatureService({ name: "score", views: [view] });
const random = createRandom(1);
const valueOf = {
  float64: () => random.normal(),
  int32: () => Math.floor(random.next() * 1e6),
  int64: () => BigInt(Math.floor(random.next() * 1e15)),
  utf8: () => `text ${Math.floor(random.next() * 1e6)}`,
  bool: () => random.next() < 0.5,
  timestamp: () => BigInt(Math.floor(random.next() * 1.7e15)),
};

/** What a serialiser of objects needs: columns as plain lists, with the house's texts. */
function plain({ features, views }, timeMs) {
  const lists = service.features.map(({ name, type }) => {
    const list = toArray(features.columns[name]);
    if (type === "int64") return [name, list.map((value) => (value === null ? null : String(value)))];
    if (type === "timestamp")
      return [name, list.map((us) => (us === null ? null : new Date(Number(us) / 1000).toISOString()))];
    return [name, list];
  });
  const status = Object.entries(views).map(([name, each]) => [name, { status: each.status, ageMs: [...each.ageMs] }]);
  const { name, digest } = service;
  return {
    service: name,
    digest,
    timeMs,
    length: features.length,
    features: Object.fromEntries(lists),
    views: Object.fromEntries(status),
  };
}

const write = answerWriter(service);
const compiled = fastJsonStringify(answerSchema(service.features, ["stats"]));
console.log(`${cpus()[0].model}, node ${process.version}; ${names.length} features, medians of ${rounds} rounds`);
for (const rows of [1, 10, 100, 1000]) {
  const columns = service.features.map(({ name, type }) => [
    name,
    column(
      type,
      Array.from({ length: rows }, () => (random.next() < 0.05 ? null : valueOf[type]())),
    ),
  ]);
  const ageMs = Float64Array.from({ length: rows }, () => Math.floor(random.next() * 1e6));
  const vectors = {
    features: batchOf(Object.fromEntries(columns)),
    views: { stats: { status: Array.from({ length: rows }, () => "present"), ageMs } },
  };
  const ways = {
    "the face's writer": () => write(vectors, 0),
    "fast-json-stringify": () => compiled(plain(vectors, 0)),
    "JSON.stringify": () => JSON.stringify(plain(vectors, 0)),
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  const calls = Math.max(5, Math.ceil(20_000 / (rows * 10)));
  for (let round = 0; round < rounds + 5; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const started = performance.now();
      for (let call = 0; call < calls; call++) way();
      if (round >= 5) times[name].push(((performance.now() - started) / calls) * 1000);
    }
  }
  const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1].toFixed(1);
  console.log(
    `${rows} rows: ${Object.entries(times)
      .map(([name, list]) => `${name} ${median(list)} µs`)
      .join(", ")}`,
  );
}
