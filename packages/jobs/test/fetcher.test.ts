import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createRandom, digestOf } from "@millwright/contracts";
import { expect, onTestFinished, test } from "vitest";
import { createFetcher, describeFile, type FetcherOptions } from "../src/index.ts";
import { contentOf, type Faults, openFlakyServer } from "./flaky-server.ts";

async function setting(faults: Faults = {}, options: Partial<FetcherOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "millwright-fetch-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const server = await openFlakyServer(faults);
  onTestFinished(() => server.close());
  const cache = join(directory, "cache");
  const fetcher = createFetcher({
    directory: cache,
    partBytes: 64 * 1024,
    retryDelayMs: 5,
    stallMs: 2_000,
    random: createRandom(1),
    ...options,
  });
  return { directory, cache, server, fetcher };
}

test(
  "TR-31: through drops, stalls, damage and false lengths the file comes whole, of 1.2 times its bytes at most",
  { timeout: 600_000 },
  async () => {
    const size = 4 * 2 ** 20 + 123;
    const { directory, server, fetcher } = await setting({
      seed: 31,
      drop: 0.25,
      stall: 0.04,
      corrupt: 0.03,
      lie: 0.04,
      busy: 0.1,
    });
    const content = contentOf("a", size);
    await writeFile(join(directory, "a"), content);
    const { digest, parts } = await describeFile(join(directory, "a"), { partBytes: 64 * 1024 });
    server.put("a", content);
    const seen: number[] = [];
    await using file = await fetcher.fetch(
      { url: server.url("a"), digest, parts },
      { onProgress: ({ doneBytes }) => seen.push(doneBytes) },
    );
    expect(digestOf(await readFile(file.path))).toBe(digest);
    for (const kind of ["drop", "stall", "corrupt", "lie", "busy"] as const)
      expect(server.faultsMade[kind], kind).toBeGreaterThan(0);
    expect(file.receivedBytes).toBeLessThan(1.2 * size);
    expect(server.sentBytes).toBeLessThan(1.35 * size); // with what came of answers that were not believed
    expect(seen.at(-1)).toBe(size);
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
  },
);

test(
  "TR-31: digests that a server gives of its answers find damage where the file's parts are not known",
  { timeout: 600_000 },
  async () => {
    const size = 2 * 2 ** 20;
    const { server, fetcher } = await setting({ seed: 5, corrupt: 0.12, contentDigest: true });
    const content = contentOf("b", size);
    server.put("b", content);
    await using file = await fetcher.fetch({ url: server.url("b"), digest: digestOf(content) });
    expect(digestOf(await readFile(file.path))).toBe(digestOf(content));
    expect(server.faultsMade.corrupt).toBeGreaterThan(0);
    expect(file.receivedBytes).toBeLessThan(1.2 * size);
  },
);

test(
  "a server that gives no parts is taken from the beginning until it comes to the end",
  { timeout: 600_000 },
  async () => {
    const { server, fetcher } = await setting({ seed: 9, drop: 0.4, ranges: false });
    const content = contentOf("c", 300_000);
    server.put("c", content);
    await using file = await fetcher.fetch({ url: server.url("c"), digest: digestOf(content) });
    expect(digestOf(await readFile(file.path))).toBe(digestOf(content));
    server.put("empty", Buffer.alloc(0));
    await using empty = await fetcher.fetch({ url: server.url("empty") });
    expect(empty.sizeBytes).toBe(0);
    const other = await setting({});
    other.server.put("empty", Buffer.alloc(0));
    await using none = await other.fetcher.fetch({ url: other.server.url("empty") });
    expect(none.sizeBytes).toBe(0);
  },
);

test(
  "TR-31: killed outright, another process goes on with the parts that were whole",
  { timeout: 600_000 },
  async () => {
    const size = 3 * 2 ** 20;
    const { directory, cache, server, fetcher } = await setting({ delayMs: 15 });
    const content = contentOf("d", size);
    server.put("d", content);
    const script = join(directory, "fetch.mjs");
    await writeFile(
      script,
      `import { createFetcher } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
     const fetcher = createFetcher({ directory: ${JSON.stringify(cache)}, partBytes: ${64 * 1024} });
     await fetcher.fetch({ url: ${JSON.stringify(server.url("d"))} }, { onProgress: ({ doneBytes }) => console.log(doneBytes) });`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    for await (const line of child.stdout) {
      if (Number(String(line).trim().split("\n").at(-1)) < size / 2) continue;
      child.kill("SIGKILL");
      break;
    }
    await exited;
    // A part whose bytes are not as they were noted, for instance after a power cut, is not trusted.
    const [folder] = (await readdir(cache)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    const { part } = JSON.parse((await readFile(join(cache, folder!, "parts.ndjson"), "utf8")).split("\n")[0]!) as {
      readonly part: number;
    };
    const bytes = await readFile(join(cache, folder!, "partial.data"));
    bytes[part * 64 * 1024] = bytes[part * 64 * 1024]! ^ 1;
    await writeFile(join(cache, folder!, "partial.data"), bytes);
    const before = server.sentBytes;
    await using file = await fetcher.fetch({ url: server.url("d") });
    expect(digestOf(await readFile(file.path))).toBe(digestOf(content));
    expect(file.receivedBytes).toBeLessThan(0.6 * size);
    expect(server.sentBytes).toBeLessThan(1.2 * size);
    expect(server.sentBytes).toBeGreaterThan(before);
  },
);

test(
  "content that changes on the way, or between a break and going on, is not mixed",
  { timeout: 600_000 },
  async () => {
    const { server, fetcher } = await setting({ delayMs: 3 });
    const [old, young] = [contentOf("old", 600_000), contentOf("young", 700_000)];
    server.put("e", old);
    let changed = false;
    await using file = await fetcher.fetch(
      { url: server.url("e") },
      {
        onProgress({ doneBytes }) {
          if (doneBytes < 200_000 || changed) return;
          changed = true;
          server.put("e", young);
        },
      },
    );
    expect(file.digest).toBe(digestOf(young));
    expect(digestOf(await readFile(file.path))).toBe(digestOf(young));
    // One that never stays the same is given up.
    server.put("f", old);
    let turn = 0;
    const restless = fetcher.fetch(
      { url: server.url("f") },
      { onProgress: () => server.put("f", (turn += 1) % 2 === 0 ? old : young) },
    );
    await expect(restless).rejects.toMatchObject({ code: "JOBS_FETCH_CHANGED", retryable: true });
  },
);

test(
  "processes and calls that want one file fetch it once; a second call takes it from the cache",
  { timeout: 600_000 },
  async () => {
    const { directory, cache, server, fetcher } = await setting({ delayMs: 5 });
    const content = contentOf("g", 1_000_000);
    server.put("g", content);
    const script = join(directory, "fetch.mjs");
    await writeFile(
      script,
      `import { createFetcher } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
     const file = await createFetcher({ directory: ${JSON.stringify(cache)} }).fetch({ url: ${JSON.stringify(server.url("g"))} });
     console.log(file.digest);`,
    );
    const child = new Promise<string>((resolve, reject) =>
      execFile(process.execPath, [script], (error, stdout) =>
        error === null ? resolve(stdout.trim()) : reject(error),
      ),
    );
    const [one, two, three] = await Promise.all([
      fetcher.fetch({ url: server.url("g") }),
      fetcher.fetch({ url: server.url("g") }),
      child,
    ]);
    expect([one.digest, two.digest, three]).toEqual([digestOf(content), digestOf(content), digestOf(content)]);
    expect(server.sentBytes).toBeLessThan(1_010_000);
    const again = await fetcher.fetch({ url: server.url("g") });
    expect(again.receivedBytes).toBe(0);
    for (const file of [one, two, again]) await file[Symbol.asyncDispose]();
  },
);

test(
  "TR-31: the cache keeps to its quota: what was used longest ago makes room, what is in use stays",
  { timeout: 600_000 },
  async () => {
    const { cache, server, fetcher } = await setting({}, { maxBytes: 1_000_000 });
    for (const name of ["h", "i", "j", "k"]) server.put(name, contentOf(name, 400_000));
    const fetchOne = async (name: string) => {
      const file = await fetcher.fetch({ url: server.url(name) });
      await file[Symbol.asyncDispose]();
      await utimes(
        join(file.path, "..", "whole.json"),
        new Date(),
        new Date(Date.now() + 1_000 * { h: 1, i: 2, j: 3, k: 4 }[name]!),
      );
      return file;
    };
    const [h, i] = [await fetchOne("h"), await fetchOne("i")];
    await using used = await fetcher.fetch({ url: server.url("h") }); // from now on h is in use
    expect(used.receivedBytes).toBe(0);
    const j = await fetchOne("j");
    await expect(stat(i.path)).rejects.toThrow("ENOENT");
    expect((await stat(h.path)).size).toBe(400_000);
    await using held = await fetcher.fetch({ url: server.url("j") });
    expect(held.path).toBe(j.path);
    await expect(fetcher.fetch({ url: server.url("k") })).rejects.toMatchObject({
      code: "JOBS_CACHE_FULL",
      category: "capacity",
    });
    let bytes = 0;
    for (const name of await readdir(cache, { recursive: true }))
      bytes += name.endsWith("data") ? (await stat(join(cache, name))).size : 0;
    expect(bytes).toBeLessThanOrEqual(1_000_000);
    // A whole file that was cut meanwhile is none.
    await truncate(held.path, 10);
    await using mended = await fetcher.fetch({ url: server.url("j") });
    expect(mended.receivedBytes).toBeGreaterThanOrEqual(400_000);
  },
);

test(
  "what no retry mends fails with what to do: refusals, false digests, silence; a signal ends waiting",
  { timeout: 600_000 },
  async () => {
    const { server, fetcher, cache } = await setting({}, { retries: 2, stallMs: 50 });
    server.put("l", contentOf("l", 1_000));
    await expect(fetcher.fetch({ url: server.url("missing") })).rejects.toMatchObject({
      code: "JOBS_FETCH_REFUSED",
      category: "user",
    });
    await expect(fetcher.fetch({ url: server.url("l"), digest: digestOf("other") })).rejects.toMatchObject({
      code: "JOBS_FETCH_CORRUPT",
      category: "data",
    });
    server.faults = { silent: true };
    await expect(fetcher.fetch({ url: server.url("l") })).rejects.toMatchObject({
      code: "JOBS_FETCH_FAILED",
      category: "transient",
      retryable: true,
    });
    const controller = new AbortController();
    const reason = new Error("enough");
    const slow = createFetcher({ directory: cache, retries: 1_000, stallMs: 50 }).fetch(
      { url: server.url("l") },
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(reason), 120);
    await expect(slow).rejects.toBe(reason);
    server.faults = {};
    await using file = await fetcher.fetch({ url: server.url("l") }); // nothing is left locked
    expect(file.sizeBytes).toBe(1_000);
    for (const url of ["ftp://a/b", "no address", pathToFileURL(cache)])
      await expect(fetcher.fetch({ url })).rejects.toMatchObject({ code: "JOBS_SPEC_INVALID" });
    await expect(
      fetcher.fetch({ url: server.url("l"), parts: { sizeBytes: 10, partBytes: 3, digests: [] } }),
    ).rejects.toThrow(/a list of 4 digests/);
    expect(() => createFetcher({ directory: "", parallel: 2 })).toThrow(/a folder/);
    expect(() => createFetcher({ directory: cache, parallel: 0 })).toThrow(/whole number from 1/);
    await mkdir(cache, { recursive: true });
  },
);
