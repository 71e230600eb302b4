import fastify from "fastify";
import { expect, test } from "vitest";
import { httpStatusOf, listen, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

const options = {
  runtimes: [denseRuntime()],
  endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
};
const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
];
const answers = rows.map((row) => expected(1, row));

test("the container contract: ping, and invocations of JSON, JSON lines and CSV, over a real port", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, ...options });
  const app = fastify();
  await app.register(server.fastify);
  const address = await listen(app, { port: 0 });
  try {
    const ping = await fetch(`${address}/ping`);
    expect([ping.status, await ping.text()]).toEqual([200, ""]);
    const invoke = (body: string, type: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${address}/invocations`, { method: "POST", body, headers: { "content-type": type, ...headers } });
    const json = await invoke(JSON.stringify({ instances: rows }), "application/json");
    expect(json.headers.get("x-amzn-invoked-production-variant")).toBe("main");
    expect(json.headers.get("x-millwright-model")).toBe("late/1");
    expect(await json.json()).toEqual({ predictions: answers.map((answer) => expect.closeTo(answer, 6)) });
    const columns = await invoke(JSON.stringify({ inputs: { features: rows } }), "application/json; charset=utf-8");
    expect(await columns.json()).toEqual({ predictions: answers.map((answer) => expect.closeTo(answer, 6)) });
    const csv = await invoke(`${rows.map((row) => row.join(",")).join("\r\n")}\n`, "text/csv");
    expect(csv.headers.get("content-type")).toBe("text/csv");
    expect((await csv.text()).trim().split("\n").map(Number)).toEqual(
      answers.map((answer) => expect.closeTo(answer, 6)),
    );
    const lines = await invoke(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), "application/jsonlines");
    expect((await lines.text()).trim().split("\n").map(Number)).toEqual(
      answers.map((answer) => expect.closeTo(answer, 6)),
    );
    const mixed = await invoke(rows[0]?.join(",") ?? "", "text/csv", { accept: "application/json" });
    expect(await mixed.json()).toEqual({ predictions: [expect.closeTo(answers[0] ?? 0, 6)] });
    expect((await invoke("x", "image/png")).status).toBe(415);
    expect((await invoke("1,2\n3,4,5", "text/csv")).status).toBe(400);
    const predicted = await fetch(`${address}/endpoints/late/predict`, {
      method: "POST",
      body: JSON.stringify({ instances: rows }),
    });
    expect(await predicted.json()).toMatchObject({
      predictions: answers.map((answer) => expect.closeTo(answer, 6)),
      provenance: { endpoint: "late", variant: "main", model: { name: "late", version: 1 } },
    });
  } finally {
    await app.close();
  }
});

test("a busy port is told with its number", async () => {
  const first = fastify();
  const second = fastify();
  try {
    const { port } = new URL(await listen(first, { port: 0 }));
    const busy = listen(second, { port: Number(port) });
    await expect(busy).rejects.toMatchObject({
      code: "SERVING_PORT_BUSY",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  } finally {
    await first.close();
    await second.close();
  }
});

test("the web face answers as the Fastify face does, and bodies have a limit in both", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, ...options, maxBodyBytes: 2000 });
  const app = fastify();
  await app.register(server.fastify, { prefix: "/ml" });
  const requests: readonly (readonly [string, string, string | undefined])[] = [
    ["GET", "/v2", undefined],
    ["GET", "/ping", undefined],
    ["GET", "/v2/models/late", undefined],
    ["POST", "/v2/models/l%C3%A4te/infer", "{}"],
    ["POST", "/invocations", JSON.stringify({ instances: rows })],
    ["POST", "/invocations", "{}"],
    ["POST", "/invocations", " ".repeat(3000)],
    ["POST", "/endpoints/late/invocations", JSON.stringify({ entities: [{ a: 1 }] })],
  ];
  for (const [method, path, body] of requests) {
    const web = await server.handle(
      new Request(`http://server${path}`, { method, ...(body === undefined ? {} : { body }) }),
    );
    const text = await web.text();
    const reply = await app.inject({
      method: method as "GET",
      url: `/ml${path}`,
      ...(body === undefined ? {} : { payload: body }),
    });
    expect([reply.statusCode, reply.body], path).toEqual([web.status, text]);
  }
  expect((await server.handle(new Request("http://server/nothing"))).status).toBe(404);
  expect(
    (await server.handle(new Request("http://server/invocations", { method: "POST", body: " ".repeat(3000) }))).status,
  ).toBe(413);
  await app.close();
});

test("who may not call is refused before the model is asked", async () => {
  await using folder = await packFolder(1);
  const asked: string[] = [];
  await using server = await openModelServer({
    source: folder.source,
    ...options,
    principal: (headers) => headers["x-user"],
    authorizer: {
      async decide({ principal, action, resource }) {
        asked.push(`${principal} ${action} ${resource}`);
        return principal === "ann" ? { allowed: true } : { allowed: false, reason: "only ann may" };
      },
    },
  });
  const call = (user: string): Promise<Response> =>
    server.handle(
      new Request("http://server/invocations", {
        method: "POST",
        headers: { "x-user": user },
        body: JSON.stringify({ instances: rows }),
      }),
    );
  expect((await call("ann")).status).toBe(200);
  const refused = await call("bob");
  expect([refused.status, await refused.json()]).toEqual([
    403,
    {
      error: expect.stringContaining("only ann may"),
      code: "SERVING_FORBIDDEN",
      category: "user",
      retryable: false,
      docs: "docs/errors.md#serving_forbidden",
    },
  ]);
  expect(asked).toEqual(["ann endpoint:invoke endpoint/late", "bob endpoint:invoke endpoint/late"]);
});

test("errors that are not of the house are answered with 500 and keep their words to themselves", () => {
  expect(httpStatusOf(new Error("secret"))).toBe(500);
});
