import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createManualClock } from "@millwright/contracts";
import { openMemoryRecordStore } from "@millwright/storage";
import { describe, expect, it } from "vitest";
import { type IdempotencyOptions, type ModelServerOptions, idempotency, openModelServer } from "@millwright/serving";
import { watchedRuntime } from "./fleet.ts";
import { type ModelFolder, expected, packFolder } from "./models.ts";

const row = [0.1, -0.2, 0.3, 0.4];

async function openWith(folder: ModelFolder, options: IdempotencyOptions = {}, more: Partial<ModelServerOptions> = {}) {
  const runtime = watchedRuntime();
  const counting = { calls: 0, hold: undefined as Promise<void> | undefined, fail: undefined as Error | undefined };
  const server = await openModelServer({
    source: folder.source,
    runtimes: [
      {
        formats: runtime.formats,
        async load(directory, manifest, given) {
          const loaded = await runtime.load(directory, manifest, given);
          return {
            ...loaded,
            async predict(inputs, asked) {
              counting.calls += 1;
              await counting.hold;
              if (counting.fail !== undefined) throw counting.fail;
              return loaded.predict(inputs, asked);
            },
          };
        },
      },
    ],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [idempotency(options)] } },
    ...more,
  });
  counting.calls = 0;
  return { server, counting, [Symbol.asyncDispose]: () => server.drain() };
}

describe("an idempotency key", () => {
  it("SV-42: gives the stored answer within the window, and the model is called once, also by duplicates at the same time", async () => {
    const clock = createManualClock(1_000_000);
    await using folder = await packFolder(1);
    await using open = await openWith(folder, { windowMs: 10_000 }, { clock });
    const { server, counting } = open;
    const ask = (idempotencyKey: string | undefined, instances: readonly unknown[] = [row]) =>
      server.predict("late", { instances, idempotencyKey });
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask("k1")));
    expect(counting.calls).toBe(1);
    const [first] = answers;
    expect(first?.outputs["probability"]?.data[0]).toBeCloseTo(expected(1, row), 5);
    expect(new Set(answers.map(({ provenance }) => provenance.requestId)).size).toBe(1);
    expect(answers.filter(({ provenance }) => provenance.reused === "idempotency-key")).toHaveLength(49);
    await clock.advance(9_000);
    expect((await ask("k1")).outputs).toEqual(first?.outputs);
    expect(counting.calls).toBe(1);
    await clock.advance(2_000);
    expect((await ask("k1")).provenance.reused).toBeUndefined();
    expect(counting.calls).toBe(2);
    await ask("k2");
    await ask(undefined);
    await ask(undefined);
    expect(counting.calls).toBe(5);
  });

  it("SV-42: is refused with 422 for another body, over HTTP and beside, and belongs to its caller", async () => {
    await using folder = await packFolder(1);
    await using open = await openWith(folder, {}, { principal: (headers) => headers["x-caller"] });
    const { server, counting } = open;
    const post = (body: unknown, headers: Readonly<Record<string, string>>) =>
      server.handle(
        new Request("http://localhost/endpoints/late/invocations", {
          method: "POST",
          headers,
          body: JSON.stringify(body),
        }),
      );
    const key = { "idempotency-key": "k1" };
    const first = await post({ instances: [row] }, key);
    const second = await post({ instances: [row] }, key);
    expect([first.status, second.status, counting.calls]).toEqual([200, 200, 1]);
    expect([first.headers.get("x-millwright-reused"), second.headers.get("x-millwright-reused")]).toEqual([
      null,
      "idempotency-key",
    ]);
    expect(await second.text()).toBe(await first.text());
    const other = await post({ instances: [[1, 1, 1, 1]] }, key);
    expect([other.status, await other.json()]).toMatchObject([422, { code: "SERVING_IDEMPOTENCY_KEY_REUSED" }]);
    expect((await post({ instances: [[1, 1, 1, 1]] }, { ...key, "x-caller": "somebody" })).status).toBe(200);
    expect(counting.calls).toBe(2);
    expect((await post({ instances: [row] }, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
    const infer = { inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: row }] };
    const inference = () =>
      server.handle(
        new Request("http://localhost/v2/models/late/infer", {
          method: "POST",
          headers: { "idempotency-key": "k9" },
          body: JSON.stringify(infer),
        }),
      );
    await inference();
    await inference();
    expect(counting.calls).toBe(3);
  });

  it("may be sent again after a failure, and by those who waited for it", async () => {
    await using folder = await packFolder(1);
    await using open = await openWith(folder);
    const { server, counting } = open;
    const ask = () => server.predict("late", { instances: [row], idempotencyKey: "k1" });
    counting.fail = new RangeError("not today");
    await expect(ask()).rejects.toMatchObject({ code: "SERVING_MODEL_FAILED" });
    counting.fail = undefined;
    await Promise.all([ask(), ask(), ask()]);
    expect(counting.calls).toBe(2);
  });

  it("is one among processes that share the records", async () => {
    const records = openMemoryRecordStore();
    await using folder = await packFolder(1);
    await using left = await openWith(folder, { records, pollMs: 5 });
    await using right = await openWith(folder, { records, pollMs: 5 });
    const answers = await Promise.all(
      [left, right, left, right].map(({ server }) =>
        server.predict("late", { instances: [row], idempotencyKey: "k1" }),
      ),
    );
    expect(left.counting.calls + right.counting.calls).toBe(1);
    expect(new Set(answers.map(({ provenance }) => provenance.requestId)).size).toBe(1);
  });

  it("keeps no more keys in the process than it may", async () => {
    await using folder = await packFolder(1);
    await using open = await openWith(folder, { maxKeys: 2 });
    const ask = (idempotencyKey: string) => open.server.predict("late", { instances: [row], idempotencyKey });
    for (const key of ["a", "b", "c"]) await ask(key);
    await ask("c");
    expect(open.counting.calls).toBe(3);
    await ask("a");
    expect(open.counting.calls).toBe(4);
    expect(() => idempotency({ windowMs: 0 })).toThrow(RangeError);
  });
});

describe("an idempotency key over SIGKILL", () => {
  const run = async (folder: ModelFolder, place: string, when: "answered" | "asking") => {
    const script = fileURLToPath(new URL("./fixtures/idempotency-child.js", import.meta.url));
    const child = spawn(process.execPath, [script, folder.root, join(place, "db"), join(place, "calls"), when], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.includes(when)) break;
    }
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    return said;
  };
  const calls = async (place: string): Promise<number> =>
    (await readFile(join(place, "calls"), "utf8")).split("\n").length - 1;

  it("SV-42: the answer holds; a call that was killed in the middle is made again, once", async () => {
    await using folder = await packFolder(1);
    const place = await mkdtemp(join(tmpdir(), "millwright-idempotency-"));
    try {
      await writeFile(join(place, "calls"), "");
      expect(await run(folder, place, "asking")).toContain("asking");
      const before = await calls(place);
      // The dead process's claim ends after claimMs; then this one asks the model.
      const first = JSON.parse((await run(folder, place, "answered")).split("\n")[0] ?? "") as Record<string, unknown>;
      expect(await calls(place)).toBe(before + 1);
      const second = JSON.parse((await run(folder, place, "answered")).split("\n")[0] ?? "") as Record<string, unknown>;
      expect(await calls(place)).toBe(before + 1);
      expect(first).toEqual({ said: second["said"], id: second["id"] });
      expect(second["reused"]).toBe("idempotency-key");
      expect(first["said"]).toBeCloseTo(expected(1, row), 5);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });
});
