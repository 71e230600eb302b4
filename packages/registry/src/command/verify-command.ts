import { readFile } from "node:fs/promises";
import type { LoggedEvent } from "@millwright/contracts";
import { createTrustPolicy, type TrustPolicy } from "@millwright/model";
import { namesNobody } from "../causes.ts";
import { withoutActor } from "../records/audit-evidence.ts";
import { UsageError } from "./command-options.ts";
import type { OpenedRegistry } from "./opened-registry.ts";
import type { Answer } from "./read-commands.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** Something to look at, though nothing is wrong. */
  readonly warning?: boolean;
  readonly detail: string;
}

interface VerifyOptions {
  readonly keys: readonly string[];
  /** Whether an operation without an actor is bad, and not only told of. */
  readonly requireActor: boolean;
  readonly signal: AbortSignal;
}

/**
 * Checks the hash chain of the event log, who did what it tells, every byte of the packages, and their signatures. Without keys signatures are counted and not
 * judged. @param ref Only this version. Default: all.
 */
export async function verify(
  { registry, log }: OpenedRegistry,
  ref: string | undefined,
  { keys, requireActor, signal }: VerifyOptions,
): Promise<Answer> {
  const trust = keys.length === 0 ? undefined : await policyOf(keys);
  const findings: Finding[] = [];
  const { records, broken } = await log.verify({ signal });
  findings.push({
    what: "event chain",
    ok: broken === undefined,
    detail:
      broken === undefined
        ? `${records} records hold`
        : `record ${broken.cursor} is ${broken.problem}; ${records} before it hold`,
  });
  const versions =
    ref === undefined ? await registry.versions(undefined, { signal }) : [await registry.version(ref, { signal })];
  for (const { name, version } of versions)
    findings.push(await verifyVersion(registry, name, version, { trust, signal }));
  // What a broken log says of who did what proves nothing, and may not be readable.
  if (broken === undefined) findings.push(await verifyActors(log, requireActor, signal));
  const bad = findings.filter(({ ok }) => !ok);
  const lines = findings.map(
    ({ what, ok, warning, detail }) => `${ok ? (warning === true ? "!" : "✓") : "✗"} ${what}: ${detail}`,
  );
  return {
    json: { ok: bad.length === 0, firstBadRecord: broken?.cursor, findings },
    text: [
      ...lines,
      bad.length === 0 ? "All is well." : `${bad.length} of ${findings.length} are not as they were.`,
    ].join("\n"),
    isGood: bad.length === 0,
  };
}

async function verifyActors(log: OpenedRegistry["log"], isRequired: boolean, signal: AbortSignal): Promise<Finding> {
  const unnamed: LoggedEvent[] = [];
  for await (const logged of log.read({ types: ["run.*", "model.*", "deployment.*"], signal }))
    if (namesNobody(logged.event)) unnamed.push(logged);
  if (unnamed.length === 0) return { what: "actors", ok: true, detail: "every event says who did it" };
  return { what: "actors", ok: !isRequired, warning: true, detail: withoutActor(unnamed) };
}

async function verifyVersion(
  registry: OpenedRegistry["registry"],
  name: string,
  version: number,
  { trust, signal }: { readonly trust: TrustPolicy | undefined; readonly signal: AbortSignal },
): Promise<Finding> {
  const what = `${name}/${version}`;
  try {
    const model = await registry.resolve(what, { signal });
    const signatures = await registry.signatures(name, version, { signal });
    const counted = trust?.check(
      model,
      signatures.map(({ envelope }) => envelope),
    );
    const signed =
      counted === undefined
        ? `${signatures.length} signatures, unchecked`
        : `signed by ${counted.map(({ signer }) => signer).join(", ")}`;
    return { what, ok: true, detail: `${model.manifest.files.length} files hold; ${signed}` };
  } catch (error) {
    signal.throwIfAborted();
    return { what, ok: false, detail: (error as Error).message };
  }
}

async function policyOf(paths: readonly string[]): Promise<TrustPolicy> {
  const keys = await Promise.all(
    paths.map(async (path) => ({
      signer: path,
      key: await readFile(path, "utf8").catch((error: unknown) => {
        throw new UsageError(`The key "${path}" cannot be read: ${(error as Error).message}`);
      }),
    })),
  );
  return createTrustPolicy({ keys });
}
