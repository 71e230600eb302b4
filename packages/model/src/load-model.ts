import type {
  Batch,
  CallOptions,
  Digest,
  LoadedModel,
  ModelManifest,
  ModelRuntime,
  PredictOptions,
  ResolvedModel,
  Schema,
  Tensors,
} from "@millwright/contracts";
import { type RowValues, columnInputs } from "./batch-inputs.ts";
import { withCalibration } from "./calibration.ts";
import { formatUnsupported } from "./errors.ts";
import { checkGolden } from "./golden.ts";
import { releaseVerified } from "./verified-files.ts";

export interface LoadModelOptions extends CallOptions {
  /** Whether the golden requests are asked before the model is handed out. Default: true. */
  readonly checkGolden?: boolean | undefined;
  /** The columns of the batches that will be given: a table that does not fit is refused now, not at the first batch. Default: not checked. */
  readonly schema?: Schema | undefined;
}

/** A model that answers tensors and columns. Whoever loads it disposes it. */
export interface OpenedModel extends LoadedModel, AsyncDisposable {
  readonly digest: Digest;
  readonly manifest: ModelManifest;
  /** The columns that the package's transforms read: what a row holds, by name. Absent where it has no transforms. */
  readonly columns: Schema | undefined;
  /**
   * Answers a batch of columns, one row of the outputs for each: through the package's transforms where it has them, else each input from the
   * column of its name. Throws `MODEL_BATCH_MISMATCH` and what the transforms throw.
   */
  predictBatch(batch: Batch, options?: PredictOptions): Tensors | Promise<Tensors>;
  /** As `predictBatch` for a single row, from its values by column name, without making columns of them where the package has transforms. */
  predictRow(values: RowValues, options?: PredictOptions): Tensors | Promise<Tensors>;
}

/**
 * Loads a package with the runtime that names its format, with its calibration where it has one, and asks it its golden requests.
 * Throws `MODEL_FORMAT_UNSUPPORTED`, `MODEL_GOLDEN_MISMATCH`, `PORT_MODEL_CORRUPT`, what the runtime throws, and for a `schema` that does
 * not fit `DATA_SCHEMA_MISMATCH`, or `MODEL_BATCH_MISMATCH` where there are no transforms.
 */
export async function loadModel(
  { digest, manifest, directory, name }: Omit<ResolvedModel, "version">,
  runtimes: readonly ModelRuntime[],
  { signal, checkGolden: check = true, schema }: LoadModelOptions = {},
): Promise<OpenedModel> {
  signal?.throwIfAborted();
  const runtime = runtimes.find(({ formats }) => formats.includes(manifest.format));
  if (runtime === undefined) {
    throw formatUnsupported(name, manifest.format, [...new Set(runtimes.flatMap(({ formats }) => formats))]);
  }
  const inputs = columnInputs(directory, manifest);
  if (schema !== undefined) inputs.check(schema);
  const bare = await runtime.load(directory, manifest, { signal });
  let loaded = bare;
  try {
    loaded = await withCalibration(bare, directory, manifest, signal);
    if (check) await checkGolden(loaded, manifest, { signal });
  } catch (error) {
    await bare.dispose();
    throw error;
  } finally {
    releaseVerified(manifest);
  }
  const { missingText } = loaded;
  return {
    digest,
    manifest,
    columns: inputs.columns,
    get memoryBytes() {
      return bare.memoryBytes;
    },
    get lanes() {
      return bare.lanes;
    },
    missingText,
    predict: (tensors, options) => loaded.predict(tensors, options),
    predictBatch: (batch, options) => loaded.predict(inputs.batch(batch, missingText), options),
    predictRow: (values, options) => loaded.predict(inputs.row(values, missingText), options),
    dispose: () => loaded.dispose(),
    [Symbol.asyncDispose]: () => loaded.dispose(),
  };
}
