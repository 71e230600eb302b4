import {
  type CallOptions,
  type Digest,
  type ModelSource,
  type ResolvedModel,
  abortable,
  hasCode,
  modelCorrupt,
  modelUnknown,
  parseModelRef,
} from "@millwright/contracts";
import { watchRef } from "../delivery/watch.ts";
import type { PackageStore } from "../models/package-store.ts";
import { queried, textIn } from "./client-answers.ts";
import { artifactFolder, downloadFolder } from "./client-artifacts.ts";
import type { MlflowVersion } from "./client-calls.ts";
import { aliasVersion, digestTag, versionAt } from "./client-models.ts";
import type { MlflowScopeOfClient } from "./client-runs.ts";
import { MlflowRefusal } from "./refusal.ts";
import { packageModel } from "./version-package.ts";

/** Versions of a server's models as packages in local directories. @param pollMs How often `watch` looks. */
export function createMlflowSource(scope: MlflowScopeOfClient, packages: PackageStore, pollMs: number): ModelSource {
  const { clock, logger } = scope;
  /** What a version was found to be: its artifacts are not looked at again. */
  const digests = new Map<string, Promise<Digest>>();
  const versionOfRef = async (ref: string, options: CallOptions): Promise<MlflowVersion> => {
    const { name, version, alias } = parseModelRef(ref);
    if (version !== undefined) return versionAt(scope, name, version, options);
    const found = await aliasVersion(scope, name, alias, options);
    if (found === undefined) throw modelUnknown(ref, []);
    return found;
  };
  const digestOfVersion = (version: MlflowVersion): Promise<Digest> => {
    const key = `${version.name}/${version.version} ${version.createdMs}`;
    // Not by the signal of one of those who wait: the others wait on.
    const asked = digests.get(key) ?? fetchPackage(scope, packages, version);
    digests.set(key, asked);
    asked.catch(() => digests.delete(key));
    return asked;
  };
  const resolve = async (ref: string, { signal }: CallOptions = {}): Promise<ResolvedModel> => {
    signal?.throwIfAborted();
    scope.assertOpen();
    const version = await versionOfRef(ref, { signal });
    const digest = await abortable(digestOfVersion(version), signal);
    const { name, version: number } = version;
    return { ...(await packages.open(digest, { signal })), name, version: number };
  };
  return {
    resolve,
    watch: (ref, { signal } = {}) =>
      watchRef({
        ref,
        signal,
        resolve,
        digestOf: async (each) => digestOfVersion(await versionOfRef(each, { signal })),
        clock,
        pollMs,
        logger,
      }),
  };
}

/** The version's artifacts as a package in the store, each byte by its digest; one that this client registered must be what it was then. */
async function fetchPackage(
  scope: MlflowScopeOfClient,
  packages: PackageStore,
  version: MlflowVersion,
): Promise<Digest> {
  const { name, version: number, source, runId, createdMs, tags } = version;
  const told = tags.get(digestTag);
  if (told !== undefined && (await isComplete(packages, told as Digest))) return told as Digest;
  const { http, artifacts, url } = scope;
  const path = queried("model-versions/get-download-uri", { name, version: number });
  const answer = await http.json({ what: "model-versions/get-download-uri", method: "GET", path });
  const uri = textIn(answer ?? {}, "artifact_uri");
  const files = await downloadFolder(http, artifactFolder(uri, url), artifacts, {});
  const subject = `${name}/${number}`;
  if (files.length === 0) throw modelCorrupt(subject, "the server has no files of it");
  try {
    const { digest } = await packageModel(artifacts, { name, source, files, runId, nowMs: createdMs });
    if (told !== undefined && told !== digest)
      throw modelCorrupt(subject, `its files have the digest ${digest}, and it was registered with ${told}`);
    return digest;
  } catch (error) {
    throw error instanceof MlflowRefusal ? modelCorrupt(subject, error.message) : error;
  }
}

/** Whether the package is here already. */
async function isComplete(packages: PackageStore, digest: Digest): Promise<boolean> {
  try {
    await packages.open(digest);
    return true;
  } catch (error) {
    if (
      hasCode(error, "PORT_ARTIFACT_MISSING") ||
      hasCode(error, "PORT_ARTIFACT_CORRUPT") ||
      hasCode(error, "PORT_MODEL_CORRUPT")
    )
      return false;
    throw error;
  }
}
