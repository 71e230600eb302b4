import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ModelSignature, ResolvedModel } from "@millwright/contracts";
import { describeOnnx } from "../onnx/describe-onnx.ts";
import { type PackModelOptions, packModel } from "../pack-model.ts";
import { type ModelFileSource, filesIn, manifestName, moveAtomically, signaturesName } from "../package-files.ts";
import { scanModel } from "../scan/scan-model.ts";
import { archiveUndescribed } from "../trust-errors.ts";
import { type VerifyModelOptions, verifyModel } from "../verify-model.ts";
import { type ExtractArchiveOptions, extractArchive } from "./extract-archive.ts";

export interface ImportModelArchiveOptions
  extends ExtractArchiveOptions, VerifyModelOptions, Partial<Omit<PackModelOptions, "files" | "name" | "signal">> {
  /** Of an archive that is no package: its name. Default: `model`. */
  readonly name?: string | undefined;
  /** Of an archive that is no package: which of its files are taken, such as all but those of `code/`. Default: all. */
  readonly include?: ((path: string) => boolean) | undefined;
}

/**
 * Makes a package of an archive, such as SageMaker's `model.tar.gz`: of a package that was archived the same package, verified; of a single ONNX file, with whatever stands beside it, one of the format `onnx` with the file's own
 * signature; of anything else one of the `format` and the `signature` given. The directory must be absent or empty; it is there whole, or not at all.
 * Throws as `extractArchive`, `verifyModel` and `packModel` do, and `MODEL_ARCHIVE_UNDESCRIBED` where nothing says what the files are.
 */
export async function importModelArchive(
  source: string | AsyncIterable<Uint8Array>,
  directory: string,
  options: ImportModelArchiveOptions = {},
): Promise<ResolvedModel> {
  const { signal, trust, name = "model", include = () => true } = options;
  const extracted = `${resolve(directory)}.import-${randomBytes(6).toString("hex")}`;
  try {
    const { files: found } = await extractArchive(source, extracted, options);
    if (found.some(({ path }) => path === manifestName)) {
      const model = await verifyModel(extracted, { trust, name: options.name, signal });
      await moveAtomically(extracted, directory);
      return { ...model, directory: resolve(directory) };
    }
    const kept = Object.entries(await filesIn(extracted, { signal })).filter(
      ([path]) => path !== signaturesName && include(path),
    );
    const files: Readonly<Record<string, ModelFileSource>> = Object.fromEntries(kept);
    const { format, signature } = await descriptionOf(extracted, Object.keys(files), options);
    const packed = `${extracted}/packed-${randomBytes(6).toString("hex")}`;
    const model = await packModel(packed, { ...options, name, format, signature, files });
    // Nobody signed a package that is made here.
    trust?.check(model, []);
    await moveAtomically(packed, directory);
    return { ...model, directory: resolve(directory) };
  } finally {
    await rm(extracted, { recursive: true, force: true });
  }
}

async function descriptionOf(
  directory: string,
  paths: readonly string[],
  { format, signature, signal }: ImportModelArchiveOptions,
): Promise<{ readonly format: string; readonly signature: ModelSignature }> {
  if (format !== undefined && signature !== undefined) return { format, signature };
  const { files } = await scanModel(directory, { format, signal });
  const onnx = files.filter(({ path, kind }) => kind === "onnx" && paths.includes(path));
  const [only] = onnx;
  if (only === undefined || onnx.length > 1 || (format ?? "onnx") !== "onnx") throw archiveUndescribed(paths);
  return {
    format: "onnx",
    signature: describeOnnx(await readFile(join(directory, ...only.path.split("/")))).signature,
  };
}
