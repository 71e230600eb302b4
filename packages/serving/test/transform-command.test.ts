import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { expected, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

const main = fileURLToPath(new URL("../dist/transform/main.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function command(args: readonly string[], started?: (child: ReturnType<typeof spawn>) => void): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let [out, err] = ["", ""];
  child.stdout.on("data", (piece) => (out += String(piece)));
  child.stderr.on("data", (piece) => (err += String(piece)));
  started?.(child);
  const [code] = (await ended) as [number | null];
  return { code, out, err };
}

test("millwright-transform takes a file through a model of a folder", { timeout: 300_000 }, async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), "id,1,2,3,4\n");
  const where = ["--models", models.root, "--model", "late@champion", "--input", files.input, "--output", files.output];
  const { code, out } = await command([...where, "--input-filter", "$[1:]", "--join"]);
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^1 records of 1 objects, 0 failed, \d+ a second; outputs sha256:/),
  ]);
  const [id, ...cells] = (await readFile(join(files.output, "x.csv.out"), "utf8")).trim().split(",");
  expect([id, cells.slice(0, 4), Number(cells[4])]).toEqual([
    "id",
    ["1", "2", "3", "4"],
    expect.closeTo(expected(1, [1, 2, 3, 4]), 5),
  ]);
  await writeFile(join(files.input, "x.csv"), "1,2,x,4\n");
  const failed = await command(where);
  expect([failed.code, failed.err]).toEqual([1, expect.stringContaining("✗ SERVING_TRANSFORM_TARGET_FAILED")]);
  expect((await command([...where, "--concurrency", "many"])).code).toBe(2);
  expect((await command([...where, "--url", "http://localhost"])).err).toContain("or --url");
  expect((await command(["--help"])).out).toContain("millwright-transform");
});

test(
  "millwright-transform stops in good order when it is interrupted, and goes on when it is started again",
  { timeout: 300_000 },
  async () => {
    await using files = await folder();
    const text = Array.from({ length: 200 }, (_, at) => `${at}\n`).join("");
    await writeFile(join(files.input, "x.csv"), text);
    let asked = 0;
    let onAsked = (): void => {};
    const server = createServer(async (request, response) => {
      if (request.method === "GET") {
        response.writeHead(404).end();
        return;
      }
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      asked += 1;
      onAsked();
      setTimeout(() => response.end(Buffer.concat(body)), 5);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const where = ["--url", url, "--input", files.input, "--output", files.output, "--batch-strategy", "SingleRecord"];
    // A job of one chunk would be done before it could stop: its records pass slowly.
    const pace = ["--max-payload-mb", "1", "--concurrency", "1"];
    await writeFile(join(files.input, "y.csv"), text);
    const stopped = await command([...where, ...pace], (child) => {
      onAsked = () => {
        if (asked === 20) child.kill("SIGTERM");
      };
    });
    expect([stopped.code, stopped.out]).toEqual([75, expect.stringContaining("Start it again to go on")]);
    const before = asked;
    expect(before).toBeLessThan(400);
    const rest = await command([...where, ...pace]);
    server.closeAllConnections();
    server.close();
    expect(rest.code).toBe(0);
    expect(asked).toBe(400);
    for (const name of ["x.csv.out", "y.csv.out"]) expect(await readFile(join(files.output, name), "utf8")).toBe(text);
  },
);
