import type { CallOptions } from "@millwright/contracts";
import type { TrustPolicy } from "@millwright/model";
import type { RegisteredVersion } from "../models/version-records.ts";
import type { Registry } from "../registry.ts";
import { copyDiffers } from "../errors.ts";

/** What is read of the registry that a version is copied from. */
export type CopySource = Pick<Registry, "version" | "resolve" | "baselines" | "signatures"> &
  Partial<Pick<Registry, "materials">>;

/** What is asked of the registry that a version is copied to. */
export type CopyTarget = Pick<Registry, "register" | "addSignature" | "resolve"> &
  Partial<Pick<Registry, "setMaterials">>;

export interface CopyVersionOptions extends CallOptions {
  /** What the registry that it comes from is called, such as `dev`; lineage names it. */
  readonly origin: string;
  /** Who copies. */
  readonly by: string;
  /** Default: the name it has. */
  readonly name?: string | undefined;
  /** Whose signatures must be there before anything is copied. Default: what the registries themselves ask. */
  readonly trust?: TrustPolicy | undefined;
}

/**
 * Copies a version into another registry, such as from development to production: by digest, every byte verified on both sides, with its signatures, baselines,
 * materials and tags. There it is pending, for whoever decides there. Its registration names the version that it was copied from; the digest is the same. Copied again it
 * is the version that it is. Throws `PORT_MODEL_UNKNOWN`, `PORT_ARTIFACT_CORRUPT`, `PORT_MODEL_CORRUPT`, and what the policy throws.
 */
export async function copyVersion(
  from: CopySource,
  to: CopyTarget,
  ref: string,
  options: CopyVersionOptions,
): Promise<RegisteredVersion> {
  const { origin, by, trust, signal } = options;
  signal?.throwIfAborted();
  const { name, version, digest, tags, description } = await from.version(ref, { signal });
  const exact = `${name}/${version}`;
  const model = await from.resolve(exact, { signal });
  const signatures = await from.signatures(name, version, { signal });
  trust?.check(
    model,
    signatures.map(({ envelope }) => envelope),
  );
  const baselines = await from.baselines(name, version, { signal });
  const copied = await to.register(options.name ?? name, model.directory, {
    by,
    tags,
    baselines,
    description,
    origin: { registry: origin, ref: exact },
    signal,
  });
  if (copied.digest !== digest) throw copyDiffers(exact, digest, copied.digest);
  for (const { envelope } of signatures) await to.addSignature(copied.name, copied.version, envelope, { by, signal });
  const materials = await from.materials?.(name, version, { signal });
  if (materials !== undefined) {
    const { setBy: _who, setMs: _when, ...said } = materials;
    await to.setMaterials?.(copied.name, copied.version, said, { by, signal });
  }
  // What the other store gives back is what counts: it is read and verified there, by the policy there.
  await to.resolve(`${copied.name}/${copied.version}`, { signal });
  return copied;
}
