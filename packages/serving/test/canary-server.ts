import { basename, join } from "node:path";
import { type ManualClock, type ModelRuntime, type Tensors, createManualClock } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { type ModelServer, type ModelServerOptions, type Prediction, openModelServer } from "@millwright/serving";
import { type ModelFolder, denseRuntime, packFolder } from "./models.ts";

/** What the candidate does otherwise than the network it was packed as; golden requests are asked before it begins. */
export interface Behaviour {
  /** The answers of a batch. */
  readonly outputs?: (rows: readonly (readonly number[])[], probabilities: Float32Array) => void;
  readonly fails?: (rows: readonly (readonly number[])[]) => boolean;
  /** Time of the clock that a batch takes. */
  readonly slowMs?: number;
}

export interface Opened extends AsyncDisposable {
  readonly server: ModelServer;
  readonly clock: ManualClock;
  behave(behaviour: Behaviour): void;
  tick(ms?: number): Promise<void>;
}

/** The network of version 1 twice, so that a candidate that does nothing otherwise is as good as the baseline. */
function behaving(clock: ManualClock, behaviour: () => Behaviour): ModelRuntime {
  const dense = denseRuntime();
  return {
    ...dense,
    async load(directory, manifest, options) {
      const candidate = basename(directory) === "2";
      const loaded = await dense.load(directory, manifest, options);
      if (!candidate) return loaded;
      const first = await dense.load(join(directory, "..", "1"), manifest, options);
      let golden = true;
      return {
        ...loaded,
        async predict(inputs: Tensors, call) {
          if (golden) {
            golden = false;
            return loaded.predict(inputs, call);
          }
          const { outputs, fails, slowMs = 0 } = behaviour();
          const data = [...((inputs["features"]?.data ?? []) as Float32Array)];
          const rows = Array.from({ length: data.length / 4 }, (_, row) => data.slice(row * 4, row * 4 + 4));
          if (fails?.(rows) === true) throw new TypeError("the candidate has broken");
          if (slowMs > 0) await clock.sleep(slowMs);
          const answer = await first.predict(inputs, call);
          const probability = answer["probability"];
          if (probability === undefined) return answer;
          const changed = Float32Array.from(probability.data as Float32Array);
          outputs?.(rows, changed);
          return { probability: { dtype: "float32", shape: probability.shape, data: changed } };
        },
      };
    },
  };
}

export async function open(
  more: Partial<ModelServerOptions> = {},
  database?: Database,
  kept?: ModelFolder,
): Promise<Opened> {
  const folder = kept ?? (await packFolder(2));
  const clock = createManualClock(1_000_000);
  let now: Behaviour = {};
  const server = await openModelServer({
    source: folder.source,
    runtimes: [behaving(clock, () => now)],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, maxBatchRows: 1 } },
    clock,
    ...(database === undefined ? {} : { database }),
    ...more,
  });
  return {
    server,
    clock,
    behave(behaviour) {
      now = behaviour;
    },
    async tick(ms = 1000) {
      await clock.advance(ms);
      for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      if (database !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      if (kept === undefined) await folder[Symbol.asyncDispose]();
    },
  };
}

export const segmentOf = (index: number): number => index % 3;
export const rowOf = (index: number): readonly number[] => [
  segmentOf(index),
  Math.sin(index),
  Math.cos(3 * index),
  (index % 7) / 7,
];

export async function ask(server: ModelServer, from: number, to: number): Promise<readonly (Prediction | undefined)[]> {
  const answers: (Prediction | undefined)[] = [];
  for (let start = from; start < to; start += 100) {
    const batch = Array.from({ length: Math.min(100, to - start) }, (_, at) =>
      server
        .predict("late", {
          instances: [rowOf(start + at)],
          requestId: `r${start + at}`,
          stickyKey: `user ${start + at}`,
        })
        .catch(() => undefined),
    );
    answers.push(...(await Promise.all(batch)));
  }
  return answers;
}
