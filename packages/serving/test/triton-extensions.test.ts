import { expect, test } from "vitest";
import type { ModelServer } from "../src/index.ts";
import { openProtocolServer } from "./protocol-server.ts";

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

async function ask(server: ModelServer, method: string, path: string, body?: object): Promise<Reply> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const answer = await server.handle(new Request(`http://host${path}`, init));
  return { status: answer.status, body: await answer.json() };
}

const row = [0.5, -1, 2, 0.25];
const features = { name: "features", datatype: "FP32", shape: [1, 4] };

test("Triton's extensions tell how models are served and what they have done, those of a catalog while they are loaded", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const get = async (path: string): Promise<unknown> => (await ask(server, "GET", `/v2/models/${path}`)).body;
  const infer = (path: string, data: readonly unknown[]): Promise<Reply> =>
    ask(server, "POST", `/v2/models/${path}/infer`, { inputs: [{ ...features, data }] });
  for (const path of ["late/config", "late/versions/1/config", "late/1/config", "late%2F1/config"])
    expect(await get(path), path).toEqual({
      name: path.startsWith("late/1") || path.includes("%") ? "late/1" : "late",
      platform: "millwright_dense",
      backend: "millwright",
      version_policy: { specific: { versions: path === "late/config" || path.includes("versions") ? [2, 1] : [1] } },
      max_batch_size: 256,
      input: [{ name: "features", data_type: "TYPE_FP32", dims: [4] }],
      output: [{ name: "probability", data_type: "TYPE_FP32", dims: [1] }],
      dynamic_batching: { max_queue_delay_microseconds: 0 },
    });
  const stats = async (path: string): Promise<unknown> =>
    ((await get(path)) as { readonly model_stats: readonly Record<string, unknown>[] }).model_stats.map((each) => [
      each["name"],
      each["version"],
      each["inference_count"],
      (each["inference_stats"] as Record<string, { readonly count: number }>)["fail"]?.count,
    ]);
  expect(await stats("late%2F1/stats")).toEqual([]);
  await infer("late", row);
  await ask(server, "POST", "/v2/models/broken/infer", { inputs: [{ ...features, name: "x", data: row }] });
  await infer("late/1", row);
  expect(await stats("late/stats")).toEqual([
    ["late", "2", 1, 0],
    ["late", "1", 0, 0],
  ]);
  for (const path of ["late/1/stats", "late%2F1/stats"]) expect(await stats(path)).toEqual([["late/1", "1", 1, 0]]);
  expect(await stats("stats")).toEqual(
    expect.arrayContaining([
      ["late", "2", 1, 0],
      ["late/1", "1", 1, 0],
      ["broken", "1", 0, 1],
      ["echo", "1", 0, 0],
    ]),
  );
  for (const path of ["early/config", "early/stats", "late/versions/7/stats"])
    expect(await ask(server, "GET", `/v2/models/${path}`)).toMatchObject({ status: 404 });
});
