import { ModelError } from "./errors.ts";

export const keyInvalid = (problem: string, cause?: unknown): ModelError =>
  new ModelError("MODEL_KEY_INVALID", `The key cannot be used: ${problem}.`, {
    category: "user",
    remedy:
      "Give an Ed25519 key as PEM, as a JSON Web Key or as a KeyObject; `openssl genpkey -algorithm ed25519` makes one.",
    cause,
  });

export const signatureMissing = (name: string, digest: string): ModelError =>
  new ModelError(
    "MODEL_SIGNATURE_MISSING",
    `The package "${name}" (${digest}) is not signed, and the policy asks for it.`,
    {
      category: "user",
      remedy: "Sign it with signModel and a key of a signer the policy names.",
    },
  );

export const signatureInvalid = (problem: string, cause?: unknown): ModelError =>
  new ModelError("MODEL_SIGNATURE_INVALID", `The signature does not hold: ${problem}.`, {
    category: "data",
    remedy: "Take the package from where it was signed once more; sign it again if it was meant to change.",
    cause,
  });

export const signerUntrusted = (name: string, problem: string): ModelError =>
  new ModelError("MODEL_SIGNER_UNTRUSTED", `The signatures of the package "${name}" are not enough: ${problem}.`, {
    category: "user",
    remedy: "Have it signed by signers whom the policy names for it, with keys that are valid now.",
  });

export const packageRevoked = (name: string, digest: string): ModelError =>
  new ModelError("MODEL_PACKAGE_REVOKED", `The package "${name}" (${digest}) was revoked.`, {
    category: "user",
    remedy: "Load another version.",
  });

export const stagingExposed = (directory: string, problem: string): ModelError =>
  new ModelError("MODEL_STAGING_EXPOSED", `Verified packages cannot be kept in "${directory}": ${problem}.`, {
    category: "user",
    remedy: "Name a folder that belongs to this process's user and that nobody else may write to.",
  });

export const contentUnsafe = (name: string, findings: readonly string[]): ModelError =>
  new ModelError("MODEL_CONTENT_UNSAFE", `The package "${name}" holds what a model need not: ${findings.join("; ")}.`, {
    category: "data",
    remedy: "Export the model to a format without code, such as ONNX, safetensors or JSON. Nothing of it was run.",
  });

export const archiveUnsafe = (entry: string | undefined, problem: string): ModelError =>
  new ModelError(
    "MODEL_ARCHIVE_UNSAFE",
    `The archive was not extracted: ${entry === undefined ? "" : `its entry ${JSON.stringify(entry)} `}${problem}.`,
    { category: "data", remedy: "Do not trust where it came from. Nothing of it was kept." },
  );

export const archiveInvalid = (problem: string, cause?: unknown): ModelError =>
  new ModelError("MODEL_ARCHIVE_INVALID", `The archive cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Fetch it again, or make it anew as tar, tar.gz or zip. Nothing of it was kept.",
    cause,
  });

export const archiveUndescribed = (paths: readonly string[]): ModelError =>
  new ModelError(
    "MODEL_ARCHIVE_UNDESCRIBED",
    `The archive holds ${paths.length === 0 ? "no files" : paths.slice(0, 5).join(", ")}, and nothing in it says what model that is.`,
    {
      category: "user",
      remedy:
        "Give the `format` that a runtime of yours loads and the `signature`, or an archive with one ONNX file or with a package in it.",
    },
  );

export const archiveTooLarge = (problem: string, limit: string): ModelError =>
  new ModelError("MODEL_ARCHIVE_TOO_LARGE", `The archive was not extracted: ${problem}.`, {
    category: "data",
    remedy: `If it is meant to be so large, raise the limit \`${limit}\`. Nothing of it was kept.`,
  });
