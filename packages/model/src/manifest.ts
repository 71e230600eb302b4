import type { ModelManifest } from "@millwright/contracts";

/** The manifest, once its version and the fields that every reader needs are known to be there. Throws an `Error` that says what is wrong. */
export function parseModelManifest(value: unknown): ModelManifest {
  const manifest = value as Partial<ModelManifest> | null;
  if (typeof manifest !== "object" || manifest === null) throw new Error("it is not an object");
  if (manifest.formatVersion !== 1) {
    throw new Error(`its formatVersion is ${String(manifest.formatVersion)}, and this release reads 1`);
  }
  const { name, format, files, signature, golden, provenance } = manifest;
  if (typeof name !== "string" || typeof format !== "string") throw new Error("it has no name or no format");
  const whole = (file: Partial<ModelManifest["files"][number]> | null): boolean =>
    typeof file?.path === "string" && typeof file.sizeBytes === "number" && typeof file.digest === "string";
  if (!Array.isArray(files) || !files.every(whole)) throw new Error("its files lack a path, a size or a digest");
  if (!Array.isArray(signature?.inputs) || !Array.isArray(signature.outputs)) throw new Error("it has no signature");
  if (!Array.isArray(golden)) throw new Error("it has no golden requests");
  if (typeof provenance !== "object" || provenance === null) throw new Error("it has no provenance");
  return manifest as ModelManifest;
}
