import { Agent, request } from "node:http";
import type { ModelRuntime } from "@millwright/contracts";
import { expect } from "vitest";
import {
  type EndpointConfiguration,
  type ModelServer,
  type ModelServerOptions,
  openModelServer,
} from "../src/index.ts";
import { type ModelFolder, denseRuntime, expected } from "./models.ts";

export const row = [0.5, -1, 2, 0.25];

/** A runtime that counts the models it has, and fails a test that asks one it has closed. */
export function countingRuntime(): {
  readonly runtime: ModelRuntime;
  readonly open: () => number;
  readonly late: () => number;
} {
  const inner = denseRuntime();
  let open = 0;
  let late = 0;
  return {
    open: () => open,
    late: () => late,
    runtime: {
      formats: inner.formats,
      load: async (given, options) => {
        const model = await inner.load(given, options);
        open += 1;
        let closed = false;
        return {
          ...model,
          predict: async (inputs, asked) => {
            if (closed) late += 1;
            // Models take some time: so that they are asked while configurations change.
            await new Promise((resolve) => setImmediate(resolve));
            if (closed) late += 1;
            return model.predict(inputs, asked);
          },
          dispose: async () => {
            closed = true;
            open -= 1;
            await model.dispose();
          },
        };
      },
    },
  };
}

export const one = (model: string, more: Partial<EndpointConfiguration> = {}): EndpointConfiguration => ({
  variants: { main: { model, weight: 1 } },
  ...more,
});

export const openOn = (folder: ModelFolder, options: Partial<ModelServerOptions> = {}): Promise<ModelServer> =>
  openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: one("late/1") },
    ...options,
  });

export const answerOf = async (server: ModelServer, endpoint = "late"): Promise<number> =>
  Number((await server.predict(endpoint, { instances: [row] })).outputs["probability"]?.data[0]);

export const near = (seed: number): unknown => expect.closeTo(expected(seed, row), 6);

/** Asks over HTTP until it is told to stop, so many at once. @returns how many were answered, by status. */
export function load(port: number, clients: number): { stop(): Promise<ReadonlyMap<string, number>> } {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const counts = new Map<string, number>();
  let stopped = false;
  const body = JSON.stringify({ instances: [row] });
  const values = [1, 2, 3].map((seed) => expected(seed, row));
  const ask = (): Promise<string> =>
    new Promise((resolve) => {
      const headers = { "content-type": "application/json", "content-length": body.length };
      const call = request({ port, agent, method: "POST", path: "/endpoints/late/invocations", headers }, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += String(chunk)));
        answer.on("end", () => {
          if (answer.statusCode !== 200) return resolve(`${answer.statusCode} ${text}`);
          const value = Number((JSON.parse(text) as { predictions: number[] }).predictions[0]);
          resolve(values.some((each) => Math.abs(each - value) < 1e-6) ? "well" : `wrong ${value}`);
        });
      });
      call.on("error", (error) => resolve(error.message));
      call.end(body);
    });
  const run = async (): Promise<void> => {
    while (!stopped) {
      const said = await ask();
      counts.set(said, (counts.get(said) ?? 0) + 1);
    }
  };
  const running = Promise.all(Array.from({ length: clients }, run));
  return {
    stop: async () => {
      stopped = true;
      await running;
      agent.destroy();
      return counts;
    },
  };
}
