import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { exportEdge } from "@millwright/model/edge";
import { expect, test } from "vitest";
import { packEdgeCases, rowsText } from "./edge-models.ts";

/** The program, from MILLWRIGHT_CHROMIUM or the PATH; undefined where there is none. */
const chromium = [process.env["MILLWRIGHT_CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"].find(
  (program) => program !== "" && spawnSync(program, ["--version"], { timeout: 600_000 }).status === 0,
);

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".mjs": "text/javascript" };
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'";

interface Told {
  readonly secure: boolean;
  readonly evalForbidden: boolean;
  readonly wasmForbidden: boolean;
  readonly answers: Readonly<
    Record<string, { readonly rows: readonly (readonly string[])[]; readonly selfTest: object }>
  >;
  readonly violations: readonly string[];
  readonly keyless?: { readonly code: string; readonly message: string };
  readonly message?: string;
}

/** Serves files under a strict policy, and takes what pages tell: the first of each path. */
async function serve(files: ReadonlyMap<string, string | Uint8Array>) {
  const told = new Map<string, (told: Told) => void>();
  const server = createServer((request: IncomingMessage, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    if (request.method === "POST") {
      void text(request).then((body) => {
        (told.get(pathname) ?? told.get("*"))?.(JSON.parse(body) as Told);
        response.end();
      });
      return;
    }
    const content = files.get(pathname.slice(1));
    response.writeHead(content === undefined ? 404 : 200, {
      "content-type": types[extname(pathname)] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
    response.end(content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    told: (path: string) =>
      new Promise<Told>((resolve, reject) => {
        told.set(path, resolve);
        told.set("*", ({ message }) => reject(new Error(message)));
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function visit(program: string, url: string) {
  const profile = await mkdtemp(join(tmpdir(), "millwright-edge-chromium-"));
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  const resolver = "--host-resolver-rules=MAP model.test 127.0.0.1";
  const child = spawn(program, [...flags, resolver, `--user-data-dir=${profile}`, url], { stdio: "ignore" });
  const ended = once(child, "close");
  return {
    ended: ended.then(() => Promise.reject(new Error("the browser ended"))),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

test(
  "EG-3: a browser answers as the runtime does, to a millionth, in a page and in a worker, under a policy without eval and WebAssembly",
  {
    timeout: 600_000,
  },
  async ({ skip }) => {
    skip(
      chromium === undefined && process.env["CI"] !== "true",
      "there is no Chromium: install one, and name it in MILLWRIGHT_CHROMIUM where it is not on the PATH",
    );
    await using packed = await packEdgeCases(200);
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const files = new Map<string, string | Uint8Array>([
      ["index.html", '<!doctype html><title>models</title><script type="module" src="edge-page.mjs"></script>'],
      ["edge-page.mjs", await readFile(new URL("fixtures/edge-page.mjs", import.meta.url))],
    ]);
    // Of every other one the weights are a file of their own, which the module fetches.
    for (const [at, { model, name, rows }] of packed.cases.entries()) {
      const exported = await exportEdge(model, { key: privateKey, weights: at % 2 === 0 ? "beside" : "embedded" });
      for (const [path, content] of Object.entries(exported.files)) files.set(path, content);
      files.set(`${name}.rows.mjs`, rowsText(rows));
    }
    await using server = await serve(files);
    const key = publicKey.export({ type: "spki", format: "pem" }) as string;
    const query = new URLSearchParams({ names: packed.cases.map(({ name }) => name).join(), key });
    for (const host of ["127.0.0.1", "model.test"]) {
      const [page, worker] = [server.told("/told/page"), server.told("/told/worker")];
      await using browser = await visit(chromium ?? "chromium", `http://${host}:${server.port}/index.html?${query}`);
      for (const told of await Promise.race([Promise.all([page, worker]), browser.ended])) {
        expect(told).toMatchObject({ secure: host === "127.0.0.1", evalForbidden: true, wasmForbidden: true });
        for (const { name, answers } of packed.cases) {
          const { rows, selfTest } = told.answers[name] as Told["answers"][string];
          expect(rows.length, name).toBe(answers.length);
          // Engines may differ in the last digit of an exponential or a sine.
          const far = answers.flatMap((row, at) =>
            row.flatMap((wanted, place) => {
              const got = Number(rows[at]?.[place]);
              const near = Object.is(got, wanted) || Math.abs(got - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted));
              return near ? [] : [{ at, wanted, got }];
            }),
          );
          expect(far, name).toEqual([]);
          expect(selfTest).toMatchObject({ passed: true, requests: 1 });
        }
        // Only what the page tried itself, to see whether it is forbidden.
        expect(told.violations.filter((each) => !/: (?:eval|wasm-eval)$/.test(each))).toEqual([]);
        // Where a page did not come over HTTPS there is nothing to check signatures with, and the module says so.
        if (!told.secure)
          expect(told.keyless).toMatchObject({
            code: "MODEL_SIGNATURE_INVALID",
            message: expect.stringContaining("HTTPS"),
          });
      }
    }
  },
);
