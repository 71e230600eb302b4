import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";

/** A process that serves, and where. */
export interface ServingChild extends AsyncDisposable {
  readonly address: string;
  /** Tells it to leave; resolves when it has. */
  leave(): Promise<number | null>;
}

/** @param options What `fixtures/serving-child.js` takes. */
export async function startServing(options: object): Promise<ServingChild> {
  const script = fileURLToPath(new URL("./fixtures/serving-child.js", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit") as Promise<[number | null]>;
  let said = "";
  for await (const chunk of child.stdout as NonNullable<ChildProcess["stdout"]>) {
    said += String(chunk);
    if (said.includes("\n")) break;
  }
  if (!said.startsWith("http")) throw new TypeError(`The process that serves said ${JSON.stringify(said)}.`);
  return {
    address: said.trim(),
    async leave() {
      child.kill("SIGTERM");
      return (await ended)[0];
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export interface Answered {
  /** 0 where the connection failed. */
  readonly status: number;
  readonly latencyMs: number;
  /** On the clock of `performance.now`. */
  readonly endMs: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** Asks over connections that stay open. */
export function createCaller(): {
  ask(url: string, body: string, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  close(): void;
} {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  return {
    ask: (url, body, headers = {}) =>
      new Promise((resolve) => {
        const startMs = performance.now();
        const failed = (): void =>
          resolve({
            status: 0,
            latencyMs: performance.now() - startMs,
            endMs: performance.now(),
            headers: {},
            body: "",
          });
        const asked = request(
          url,
          { method: "POST", agent, headers: { "content-type": "application/json", ...headers } },
          (answer) => {
            const chunks: Buffer[] = [];
            answer.on("data", (chunk: Buffer) => chunks.push(chunk));
            answer.on("error", failed);
            answer.on("end", () =>
              resolve({
                status: answer.statusCode ?? 0,
                latencyMs: performance.now() - startMs,
                endMs: performance.now(),
                headers: answer.headers,
                body: Buffer.concat(chunks).toString(),
              }),
            );
          },
        );
        asked.on("error", failed);
        asked.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** Begins calls at a constant rate, whether or not earlier ones were answered (an open loop). @returns what each gave. */
export async function openLoop<Result>(
  perSecond: number,
  seconds: number,
  call: (index: number) => Promise<Result>,
): Promise<Result[]> {
  const startMs = performance.now();
  const total = Math.round(perSecond * seconds);
  const calls: Promise<Result>[] = [];
  while (calls.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1000) * perSecond) + 1);
    while (calls.length < due) calls.push(call(calls.length));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return Promise.all(calls);
}

/** The value that a share of the values does not exceed. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
