import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

test("bodies of noise are answered with 4xx, never with a failure of ours", { timeout: 600_000 }, async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  const random = createRandom(11);
  const pick = <Item>(items: readonly Item[]): Item => items[random.integer(items.length)] as Item;
  const noise = (depth: number): unknown => {
    const kinds = [null, true, -1, 0.5, 1e308, "", "x", "9223372036854775807", [], {}] as const;
    if (depth === 0 || random.integer(3) === 0) return pick(kinds);
    if (random.integer(2) === 0) return Array.from({ length: random.integer(5) }, () => noise(depth - 1));
    const keys = [
      "inputs",
      "instances",
      "entities",
      "request",
      "name",
      "shape",
      "datatype",
      "data",
      "features",
      "outputs",
      "parameters",
      "__proto__",
      "id",
      "binary_data_size",
    ];
    return Object.fromEntries(Array.from({ length: random.integer(5) }, () => [pick(keys), noise(depth - 1)]));
  };
  const tensor = (): unknown => ({
    name: pick(["features", "x", 7]),
    shape: pick([[1, 4], [2, 2], [-1, 4], [1e12, 4], "x", [4], noise(1)]),
    datatype: pick(["FP32", "BYTES", "INT64", "BOOL", "FP16", 3]),
    data: pick([[1, 2, 3, 4], [[1, 2, 3, 4]], ["a", "b", "c", "d"], noise(3)]),
    ...(random.integer(4) === 0 ? { parameters: { binary_data_size: pick([0, 16, -1, 1e9, "x"]) } } : {}),
  });
  const bodies: readonly (() => Uint8Array)[] = [
    () =>
      Buffer.from(
        JSON.stringify({
          inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, pick([4, "4"])] }],
        }),
      ),
    () => Uint8Array.from({ length: random.integer(64) }, () => random.integer(256)),
    () => Buffer.from(JSON.stringify(noise(4)) ?? ""),
    () =>
      Buffer.from(
        (
          JSON.stringify({
            inputs: [tensor(), ...(random.integer(3) === 0 ? [tensor()] : [])],
            outputs: pick([undefined, noise(2)]),
          }) ?? ""
        ).slice(0, pick([1e9, 40])),
      ),
    () => Buffer.from(JSON.stringify({ [pick(["instances", "entities", "inputs"])]: noise(4) })),
    () => Buffer.from(`${"[".repeat(5000)}${"]".repeat(5000)}`),
    () =>
      Buffer.from(
        Array.from({ length: random.integer(30) }, () => pick(["1", ",", '"', "\n", "x", "\r", "é", ""])).join(""),
      ),
  ];
  const counts = new Map<number, number>();
  for (let turn = 0; turn < 6000; turn += 1) {
    const path = pick([
      "/v2/models/early/infer",
      "/v2/models/late/infer",
      "/invocations",
      "/endpoints/late/predict",
      "/v2/models/late/versions/1/infer",
    ]);
    const headers: Record<string, string> = {
      "content-type": pick([
        "application/json",
        "text/csv",
        "text/csv; header=present",
        "application/jsonlines",
        "application/octet-stream",
        "x",
      ]),
    };
    if (random.integer(3) === 0)
      headers["inference-header-content-length"] = pick(["0", "10", "-1", "x", "1e3", "99999"]);
    const body = pick(bodies)();
    const { status } = await server.handle(
      new Request(`http://server${path}`, { method: "POST", headers, body: body as unknown as string }),
    );
    counts.set(status, (counts.get(status) ?? 0) + 1);
    expect(
      status < 500,
      `${status} for ${path} ${JSON.stringify(headers)} ${Buffer.from(body).toString().slice(0, 500)}`,
    ).toBe(true);
  }
  expect(counts.get(400) ?? 0).toBeGreaterThan(1500);
  expect(counts.get(200) ?? 0).toBeGreaterThan(50);
  expect((await server.predict("late", { instances: [[1, 2, 3, 4]] })).outputs["probability"]?.shape).toEqual([1, 1]);
});
