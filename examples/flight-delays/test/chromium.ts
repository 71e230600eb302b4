import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** A browser that is driven over two pipes by the DevTools protocol, without a port. */
export interface Chromium extends AsyncDisposable {
  /** What the page was told since it was attached, such as `Network.requestWillBeSent`. */
  readonly events: readonly Message[];
  send(method: string, params?: object, sessionId?: string): Promise<Readonly<Record<string, unknown>>>;
}

/** The program, from MILLWRIGHT_CHROMIUM or the PATH; undefined where there is none. */
export const chromiumProgram: string | undefined = [
  process.env["MILLWRIGHT_CHROMIUM"] ?? "",
  "chromium",
  "chromium-browser",
  "google-chrome",
].find((program) => program !== "" && spawnSync(program, ["--version"], { timeout: 600_000 }).status === 0);

export async function openChromium(program: string): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), "millwright-chromium-"));
  const args = [
    "--headless=new",
    "--no-sandbox", // it may run as root here, and opens nothing but our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
    "about:blank",
  ];
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    await once(child, "spawn");
  } catch (cause) {
    await rm(profile, { recursive: true, force: true });
    throw new Error(`The browser "${program}" could not be started.`, { cause });
  }
  const input = child.stdio[3] as Writable;
  const waiting = new Map<number, (message: Message) => void>();
  const events: Message[] = [];
  let rest = "";
  (child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\0");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id === undefined) events.push(message);
      else waiting.get(message.id)?.(message);
    }
  });
  let last = 0;
  return {
    events,
    send: (method, params = {}, sessionId) => {
      const id = (last += 1);
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ result, error }) => {
          waiting.delete(id);
          if (error === undefined) resolve(result ?? {});
          else reject(new Error(`${method}: ${error.message}`));
        });
        void ended.then(() => reject(new Error(`${method}: the browser ended.`)));
        input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      });
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
