import { join } from "node:path";
import {
  type LoadedModel,
  type ModelManifest,
  type ModelRuntime,
  type ModelSignature,
  type Tensor,
  type TensorSpec,
  type Tensors,
  modelCorrupt,
} from "@millwright/contracts";
import { inputMismatch, onnxRunFailed } from "../errors.ts";
import { readModelFile } from "../verified-files.ts";
import { describeOnnx, type OnnxDescription } from "./describe-onnx.ts";

/** A tensor as ONNX Runtime's libraries for JavaScript have it. */
export interface OnnxTensorValue {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** What is called of a session. */
export interface OnnxSession {
  run(
    feeds: Readonly<Record<string, OnnxTensorValue>>,
    fetches: readonly string[],
  ): Promise<Readonly<Record<string, OnnxTensorValue>>>;
  release(): Promise<void>;
}

/** What is called of `onnxruntime-node` and `onnxruntime-web`, 1.17 or later. */
export interface OnnxLibrary<Value extends OnnxTensorValue = OnnxTensorValue> {
  readonly InferenceSession: { create(model: string, options?: Readonly<Record<string, unknown>>): Promise<unknown> };
  // oxlint-disable-next-line typescript/no-explicit-any -- the library overloads its constructor by type
  readonly Tensor: new (type: any, data: any, dims: readonly number[]) => Value;
}

export interface OnnxRuntimeOptions {
  /** Threads within an operator, for each loaded model: libraries left alone start one for each core, for each model. Default: 1. */
  readonly threads?: number | undefined;
  /** In the order of preference, as the library names them: `cpu`, `cuda`, `webgpu`, …. Default: `["cpu"]`. */
  readonly executionProviders?: readonly (string | Readonly<Record<string, unknown>>)[] | undefined;
  /** Further options of the library's session. Default: none. */
  readonly session?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Serves packages of the format `onnx` with ONNX Runtime, which is passed in: `onnxRuntime(await import("onnxruntime-node"))`. The package holds one
 * `.onnx` file, and beside it the files of weights it names. Throws `PORT_MODEL_CORRUPT` at load where the file is no ONNX model, has another signature than
 * the manifest, or is refused by the library; at predict `MODEL_INPUT_MISMATCH`, and `MODEL_ONNX_RUN_FAILED` with what the library says.
 */
export function onnxRuntime(library: OnnxLibrary, options: OnnxRuntimeOptions = {}): ModelRuntime {
  const { threads = 1, executionProviders = ["cpu"], session: further = {} } = options;
  if (!(Number.isInteger(threads) && threads >= 1))
    throw new RangeError(`threads must be a whole number from 1, not ${threads}.`);
  if (typeof library?.InferenceSession?.create !== "function" || typeof library.Tensor !== "function")
    throw new TypeError("ONNX Runtime is passed in as its module: await import('onnxruntime-node').");
  const settings = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    ...further,
    executionProviders,
  };
  return {
    formats: ["onnx"],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const path = modelFileOf(directory, manifest);
      const description = await readDescription(directory, manifest, path, signal);
      checkSignature(directory, manifest, description);
      const session = await openSession(library, { directory, path, settings });
      return loadedOnnx(library, { session, manifest, description });
    },
  };
}

function modelFileOf(directory: string, { files }: ModelManifest): string {
  const found = files.filter(({ path }) => path.endsWith(".onnx"));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.path;
  throw modelCorrupt(
    directory,
    `it holds ${found.length} files that end in .onnx, and a package of its format has one`,
  );
}

async function readDescription(
  directory: string,
  manifest: ModelManifest,
  path: string,
  signal: AbortSignal | undefined,
): Promise<OnnxDescription & { readonly sizeBytes: number }> {
  try {
    const bytes = await readModelFile(directory, manifest, path, { signal });
    return { ...describeOnnx(bytes), sizeBytes: bytes.length };
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, `${path} cannot be used`, error);
  }
}

/** Every input of the file must be one of the manifest's, and every output of the manifest's one of the file. */
function checkSignature(
  directory: string,
  { signature, files }: ModelManifest,
  { signature: has, externalFiles }: OnnxDescription,
): void {
  const missing = externalFiles.find((file) => !files.some(({ path }) => path === file));
  if (missing !== undefined) throw modelCorrupt(directory, `its weights are in "${missing}", which is no file of it`);
  const pairs: readonly (readonly [string, readonly TensorSpec[], readonly TensorSpec[]])[] = [
    ["input", has.inputs, signature.inputs],
    ["input", signature.inputs, has.inputs],
    ["output", signature.outputs, has.outputs],
  ];
  for (const [what, wanted, given] of pairs) {
    for (const spec of wanted) {
      const other = given.find(({ name }) => name === spec.name);
      if (other === undefined || other.dtype !== spec.dtype || !canBeOne(spec.shape, other.shape))
        throw modelCorrupt(
          directory,
          `its signature and its ONNX file do not agree on the ${what} "${spec.name}": ${JSON.stringify(signature)} and ${JSON.stringify(has)}`,
        );
    }
  }
}

const canBeOne = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((size, axis) => size === -1 || other[axis] === -1 || size === other[axis]);

interface SessionOptions {
  readonly directory: string;
  readonly path: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

async function openSession(library: OnnxLibrary, { directory, path, settings }: SessionOptions): Promise<OnnxSession> {
  try {
    return (await library.InferenceSession.create(join(directory, path), settings)) as OnnxSession;
  } catch (error) {
    throw modelCorrupt(directory, `ONNX Runtime does not load ${path}`, error);
  }
}

interface Loading {
  readonly session: OnnxSession;
  readonly manifest: ModelManifest;
  readonly description: OnnxDescription & { readonly sizeBytes: number };
}

function loadedOnnx(library: OnnxLibrary, { session, manifest, description }: Loading): LoadedModel {
  const { signature, name, files } = manifest;
  const fetches = signature.outputs.map((output) => output.name);
  const external = files.filter(({ path }) => description.externalFiles.includes(path));
  const running = new Set<Promise<unknown>>();
  let released: Promise<void> | undefined;
  // A session that is released while it runs takes the process down.
  const release = async (): Promise<void> => {
    await Promise.allSettled(running);
    await session.release();
  };
  return {
    memoryBytes: external.reduce((sum, { sizeBytes }) => sum + sizeBytes, description.sizeBytes),
    missingText: description.metadata["millwright.missingText"],
    async predict(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      const feeds = feedsOf(library, signature, inputs);
      const run = session.run(feeds, fetches);
      running.add(run);
      const answers = await run
        .catch((error: unknown) => {
          throw onnxRunFailed(name, error);
        })
        .finally(() => running.delete(run));
      signal?.throwIfAborted();
      return Object.fromEntries(fetches.map((output) => [output, tensorOf(name, output, answers[output])]));
    },
    dispose: () => (released ??= release()),
  };
}

const describe = ({ name, dtype, shape }: TensorSpec): string => `"${name}" as ${dtype} of shape [${shape.join(", ")}]`;

function feedsOf(
  library: OnnxLibrary,
  { inputs: specs }: ModelSignature,
  inputs: Tensors,
): Record<string, OnnxTensorValue> {
  return Object.fromEntries(specs.map((spec) => [spec.name, feedOf(library, spec, inputs[spec.name])]));
}

function feedOf(library: OnnxLibrary, spec: TensorSpec, given: Tensor | undefined): OnnxTensorValue {
  if (given === undefined) throw inputMismatch(spec.name, "it is missing", describe(spec));
  const { dtype, shape, data } = given;
  if (dtype !== spec.dtype) throw inputMismatch(spec.name, `its type is ${dtype}`, describe(spec));
  const whole = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!whole || !canBeOne(spec.shape, shape))
    throw inputMismatch(spec.name, `its shape is [${shape.join(", ")}]`, describe(spec));
  const length = shape.reduce((size, each) => size * each, 1);
  if (!(ArrayBuffer.isView(data) || Array.isArray(data)) || data.length !== length)
    throw inputMismatch(spec.name, `its data are not ${length} values in a typed array or a list`, describe(spec));
  return new library.Tensor(dtype, data, shape);
}

function tensorOf(model: string, name: string, value: OnnxTensorValue | undefined): Tensor {
  if (value === undefined) throw onnxRunFailed(model, `there is no output "${name}".`);
  return { dtype: value.type, shape: [...value.dims], data: value.data } as Tensor;
}
