import type {
  Batch,
  CallOptions,
  Digest,
  LoadedModel,
  ModelManifest,
  ModelRuntime,
  ResolvedModel,
  Tensors,
} from "@millwright/contracts";
import { type RowValues, columnInputs } from "./batch-inputs.ts";
import { formatUnsupported } from "./errors.ts";
import { checkGolden } from "./golden.ts";

export interface LoadModelOptions extends CallOptions {
  /** Whether the golden requests are asked before the model is handed out. Default: true. */
  readonly checkGolden?: boolean | undefined;
}

/** A model that answers tensors and columns. Whoever loads it disposes it. */
export interface OpenedModel extends LoadedModel, AsyncDisposable {
  readonly digest: Digest;
  readonly manifest: ModelManifest;
  /**
   * Answers a batch of columns, one row of the outputs for each: through the package's transforms where it has them, else each input from the
   * column of its name. Throws `MODEL_BATCH_MISMATCH` and what the transforms throw.
   */
  predictBatch(batch: Batch, options?: CallOptions): Tensors | Promise<Tensors>;
  /** As `predictBatch` for a single row, from its values by column name, without making columns of them where the package has transforms. */
  predictRow(values: RowValues, options?: CallOptions): Tensors | Promise<Tensors>;
}

/**
 * Loads a package with the runtime that names its format, and asks it its golden requests.
 * Throws `MODEL_FORMAT_UNSUPPORTED`, `MODEL_GOLDEN_MISMATCH`, `PORT_MODEL_CORRUPT`, and what the runtime throws.
 */
export async function loadModel(
  { digest, manifest, directory, name }: Omit<ResolvedModel, "version">,
  runtimes: readonly ModelRuntime[],
  { signal, checkGolden: check = true }: LoadModelOptions = {},
): Promise<OpenedModel> {
  signal?.throwIfAborted();
  const runtime = runtimes.find(({ formats }) => formats.includes(manifest.format));
  if (runtime === undefined) {
    throw formatUnsupported(name, manifest.format, [...new Set(runtimes.flatMap(({ formats }) => formats))]);
  }
  const inputs = columnInputs(directory, manifest);
  const loaded = await runtime.load(directory, manifest, { signal });
  try {
    if (check) await checkGolden(loaded, manifest, { signal });
  } catch (error) {
    await loaded.dispose();
    throw error;
  }
  return {
    digest,
    manifest,
    memoryBytes: loaded.memoryBytes,
    predict: (tensors, options) => loaded.predict(tensors, options),
    predictBatch: (batch, options) => loaded.predict(inputs.batch(batch), options),
    predictRow: (values, options) => loaded.predict(inputs.row(values), options),
    dispose: () => loaded.dispose(),
    [Symbol.asyncDispose]: () => loaded.dispose(),
  };
}
