import type { ModelRuntime } from "@millwright/contracts";
import { expect, test } from "vitest";
import { availabilityOf, clientAvailability, openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

test("SV-49: one of ten models down is an availability of 90 %, weighted by traffic, from the server's side and the client's", async () => {
  await using folder = await packFolder(10);
  const dense = denseRuntime();
  let broken = false;
  const runtime: ModelRuntime = {
    formats: dense.formats,
    async load(directory, manifest, options) {
      const loaded = await dense.load(directory, manifest, options);
      return {
        ...loaded,
        predict(inputs, call) {
          if (broken && directory.endsWith("7")) throw new TypeError("this model is down");
          return loaded.predict(inputs, call);
        },
      };
    },
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [runtime],
    endpoints: Object.fromEntries(
      Array.from({ length: 10 }, (_, at) => [
        `m${at + 1}`,
        { variants: { main: { model: `late/${at + 1}`, weight: 1 } } },
      ]),
    ),
  });
  expect(server.availability().ratio).toBeNaN();
  broken = true;
  const outcomes = [];
  for (let at = 0; at < 200; at += 1) {
    const unit = `m${(at % 10) + 1}`;
    const startMs = performance.now();
    const instances = at % 20 === 0 ? [[1]] : [[1, 2, 3, 4]];
    const answer = await server.handle(
      new Request(`http://localhost/endpoints/${unit}/invocations`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ instances }),
      }),
    );
    outcomes.push({ unit, status: answer.status, latencyMs: performance.now() - startMs });
  }
  const { ratio, units } = server.availability();
  // Ten requests to m1 were wrong in themselves: they count for nobody.
  expect(ratio).toBeCloseTo(170 / 190, 10);
  expect(units.find(({ name }) => name === "m7/main")?.ratio).toBe(0);
  expect(units.filter((unit) => unit.ratio === 1)).toHaveLength(9);
  expect(clientAvailability(outcomes).ratio).toBeCloseTo(170 / 190, 10);
  // By what each usually gets it is exactly nine tenths.
  const traffic = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`m${at + 1}`, 1]));
  expect(clientAvailability(outcomes, { traffic }).ratio).toBeCloseTo(0.9, 10);
});

test("what is down counts by its usual traffic, though nobody reaches it; late answers and refusals are not good", () => {
  const unit = (name: string, traffic: number, down: boolean) => ({
    name,
    traffic,
    total: down ? 0 : 10,
    good: down ? 0 : 10,
    down,
  });
  expect(availabilityOf([unit("a", 3, false), unit("b", 1, true)]).ratio).toBe(0.75);
  const seen = [200, 200, 429, 503, undefined, 404].map((status) => ({ unit: "a", status, latencyMs: 5 }));
  expect(clientAvailability(seen).ratio).toBe(2 / 5);
  expect(
    clientAvailability([...seen, { unit: "a", status: 200, latencyMs: 50 }], { latencyObjectiveMs: 20 }).ratio,
  ).toBe(2 / 6);
  expect(clientAvailability([]).ratio).toBeNaN();
});
