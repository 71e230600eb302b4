import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelRuntime, PredictOptions, TensorSpec, TensorType } from "@millwright/contracts";
import { openDirectoryModelSource, packModel } from "@millwright/model";
import { type ModelServer, type ModelServerOptions, createModelCatalog, openModelServer } from "../src/index.ts";
import { denseRuntime, packFolder } from "./models.ts";

/** Inputs of every element type, by the names of the types. */
export const echoed: readonly TensorSpec[] = (
  [
    "string",
    "int64",
    "uint64",
    "int32",
    "uint32",
    "int16",
    "uint16",
    "int8",
    "uint8",
    "float32",
    "float64",
    "bool",
  ] as TensorType[]
).map((dtype) => ({ name: dtype, dtype, shape: [-1, 2] }));

export interface ProtocolServer extends AsyncDisposable {
  readonly server: ModelServer;
  /** What the echo was last told beside its inputs. */
  readonly told: PredictOptions[];
}

/**
 * Serves `late` (versions 1 and 2), `echo` that answers what it was asked in every type, `halves` that echoes one input of 32-bit numbers,
 * `slow` that answers when its caller is gone, `broken` that fails, and a catalog `fleet` of `late/1` and `late/2`.
 */
export async function openProtocolServer(options: Partial<ModelServerOptions> = {}): Promise<ProtocolServer> {
  const folder = await packFolder(2);
  const root = await mkdtemp(join(tmpdir(), "millwright-echo-"));
  const pack = (name: string, format: string, signature: readonly TensorSpec[]): Promise<unknown> =>
    packModel(join(root, name, "1"), {
      name,
      format,
      files: { "x.txt": new Uint8Array([1]) },
      signature: { inputs: signature, outputs: signature },
    });
  const one: TensorSpec = { name: "x", dtype: "float32", shape: [-1, -1] };
  await pack("echo", "echo", echoed);
  await pack("halves", "echo", [one]);
  await pack("slow", "slow", [one]);
  await pack("broken", "broken", [one]);
  const told: PredictOptions[] = [];
  const runtime = (format: string, predict: Awaited<ReturnType<ModelRuntime["load"]>>["predict"]): ModelRuntime => ({
    formats: [format],
    load: async () => ({ memoryBytes: 0, predict, dispose: async () => {} }),
  });
  const other = openDirectoryModelSource(root);
  const sourceOf = (ref: string): typeof other => (ref.startsWith("late") ? folder.source : other);
  const models = createModelCatalog({ memoryBytes: 1_000_000 });
  const single = (model: string) => ({ variants: { main: { model, weight: 1 } } });
  const server = await openModelServer({
    source: {
      resolve: (ref, given) => sourceOf(ref).resolve(ref, given),
      watch: (ref, given) => sourceOf(ref).watch(ref, given),
    },
    runtimes: [
      denseRuntime(),
      runtime("echo", (inputs, given) => {
        if (given !== undefined) told.push({ ...given, requests: given.requests?.map((each) => ({ ...each })) });
        return inputs;
      }),
      runtime(
        "slow",
        (inputs, given) => new Promise((resolve) => given?.signal?.addEventListener("abort", () => resolve(inputs))),
      ),
      runtime("broken", () => {
        throw new TypeError("secret of the model");
      }),
    ],
    endpoints: {
      late: { variants: { main: { model: "late/2", weight: 1 }, old: { model: "late/1", weight: 0 } } },
      echo: single("echo/1"),
      halves: single("halves/1"),
      slow: single("slow/1"),
      broken: single("broken/1"),
      fleet: { variants: {}, models },
    },
    ...options,
  });
  return {
    server,
    told,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await folder[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
