import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type Digest,
  hasCode,
  type JsonObject,
  type JsonValue,
  type RecordStore,
  systemClock,
  versionConflict,
} from "@millwright/contracts";
import {
  landingManifestInvalid,
  landingNameInvalid,
  landingUnknown,
  landingVersionImmutable,
  landingVersionUnknown,
} from "./errors.ts";

/** One version of a logical name: what was landed, and when. Never changed. */
export interface LandedObject {
  readonly name: string;
  /** From 1, without gaps. */
  readonly version: number;
  /** Of the bytes. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** UTC milliseconds. */
  readonly landedAtMs: number;
  /** As it was given: `text/csv`, for instance. */
  readonly mediaType?: string | undefined;
  /** As it was given: where the bytes came from, as a rule. */
  readonly metadata?: JsonObject | undefined;
}

export interface LandOptions extends CallOptions {
  readonly mediaType?: string | undefined;
  readonly metadata?: JsonObject | undefined;
  /**
   * The version to make, so that a call that is repeated makes it once: where the version is there with the same bytes, it is returned as it is; with
   * other bytes, `STORAGE_LANDING_IMMUTABLE`. Default: the next one.
   */
  readonly version?: number | undefined;
}

export interface LandingReadOptions extends CallOptions {
  /** Default: the latest. */
  readonly version?: number | undefined;
}

/**
 * Raw data as it arrived, under names that last: landing a name again makes its next version, and no version is ever changed or taken away. Bytes are
 * kept by their digest, so that equal bytes under many names and versions are stored once.
 */
export interface LandingZone {
  /** Throws `STORAGE_LANDING_NAME_INVALID`, `STORAGE_LANDING_IMMUTABLE`, and `PORT_VERSION_CONFLICT` for a version beyond the next. */
  land(name: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: LandOptions): Promise<LandedObject>;
  /** Throws `STORAGE_LANDING_UNKNOWN`, which tells a version that is not there from a name that is not. */
  describe(name: string, options?: LandingReadOptions): Promise<LandedObject>;
  /** The bytes, checked against their digest on the way. Throws as `describe`, `PORT_ARTIFACT_MISSING`, `PORT_ARTIFACT_CORRUPT`. */
  open(name: string, options?: LandingReadOptions): AsyncIterable<Uint8Array>;
  /** All versions, the first first. Throws `STORAGE_LANDING_UNKNOWN`. */
  versions(name: string, options?: CallOptions): AsyncIterable<LandedObject>;
  /** The latest version of each name that starts with the prefix, by name in the order of UTF-8 bytes. */
  list(prefix?: string, options?: CallOptions): AsyncIterable<LandedObject>;
}

export interface LandingZoneOptions {
  readonly artifacts: ArtifactStore;
  readonly records: RecordStore;
  /** Where in the records the manifests are; two zones may share both stores under different ones. Default: `landing`. */
  readonly namespace?: string | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** Makes a landing zone of an artifact store for the bytes and a record store for the manifests; neither is closed by it. */
export function createLandingZone(options: LandingZoneOptions): LandingZone {
  const { artifacts, clock = systemClock } = options;
  const manifests = createManifests(options.records, options.namespace ?? "landing");
  const land: LandingZone["land"] = async (name, bytes, { version, mediaType, metadata, signal } = {}) => {
    checkName(name);
    checkVersion(version);
    // The bytes first: a manifest never names bytes that are not there.
    const { digest, sizeBytes } = await artifacts.put(bytes, { signal });
    for (;;) {
      const latest = await manifests.latest(name, signal);
      const wanted = version ?? latest + 1;
      if (wanted <= latest) {
        const there = await manifests.read(name, wanted, signal);
        if (there?.digest === digest) return there;
        throw landingVersionImmutable(name, wanted, there?.digest ?? "", digest);
      }
      if (wanted > latest + 1) throw versionConflict(name, wanted - 1, latest);
      const landed: LandedObject = {
        name,
        version: wanted,
        digest,
        sizeBytes,
        landedAtMs: clock.nowMs(),
        ...(mediaType === undefined ? {} : { mediaType }),
        ...(metadata === undefined ? {} : { metadata }),
      };
      if (await manifests.claim(landed, signal)) return landed;
    }
  };
  const describe: LandingZone["describe"] = async (name, { version, signal } = {}) => {
    checkName(name);
    checkVersion(version);
    const latest = await manifests.latest(name, signal);
    if (latest === 0) throw landingUnknown(name);
    const found = await manifests.read(name, version ?? latest, signal);
    if (found === undefined) throw landingVersionUnknown(name, version ?? latest, latest);
    return found;
  };
  return {
    land,
    describe,
    async *open(name, readOptions = {}) {
      const { digest } = await describe(name, readOptions);
      yield* artifacts.open(digest, { signal: readOptions.signal });
    },
    async *versions(name, { signal } = {}) {
      const { version: latest } = await describe(name, { signal });
      for (let version = 1; version <= latest; version += 1) yield await describe(name, { version, signal });
    },
    async *list(prefix = "", { signal } = {}) {
      for await (const name of manifests.names(prefix, signal)) yield await describe(name, { signal });
    },
  };
}

/** The records behind a zone: one a version, written once, and one a name that hints at its latest version. */
interface Manifests {
  /** 0 where there is none. */
  latest(name: string, signal: AbortSignal | undefined): Promise<number>;
  read(name: string, version: number, signal: AbortSignal | undefined): Promise<LandedObject | undefined>;
  /** Writes the manifest of a version. @returns false where somebody else had it first. */
  claim(landed: LandedObject, signal: AbortSignal | undefined): Promise<boolean>;
  names(prefix: string, signal: AbortSignal | undefined): AsyncIterable<string>;
}

function createManifests(records: RecordStore, namespace: string): Manifests {
  const nameKey = (name: string): string => `${namespace}/names/${name}`;
  // The version stands before the name: a name may hold anything, a slash and digits at its end included.
  const versionKey = (name: string, version: number): string => `${namespace}/versions/${version}/${name}`;
  const read: Manifests["read"] = async (name, version, signal) => {
    const record = await records.read(versionKey(name, version), { signal });
    return record === undefined ? undefined : parseManifest(name, version, record.value);
  };
  const latest: Manifests["latest"] = async (name, signal) => {
    const hint = await records.read(nameKey(name), { signal });
    let version = typeof hint?.value === "number" ? hint.value : 0;
    // The hint is behind where its writer died, or is about to write it.
    while ((await records.read(versionKey(name, version + 1), { signal })) !== undefined) version += 1;
    return version;
  };
  return {
    read,
    latest,
    async claim(landed, signal) {
      const { name, version } = landed;
      if (!(await writeNew(records, versionKey(name, version), { formatVersion: 1, ...toJson(landed) }, signal)))
        return false;
      await raise(records, nameKey(name), version);
      return true;
    },
    async *names(prefix, signal) {
      const start = nameKey("");
      for await (const { key } of records.list(nameKey(prefix), { signal })) yield key.slice(start.length);
    },
  };
}

const toJson = (landed: LandedObject): JsonObject => ({ ...landed }) as unknown as JsonObject;

async function writeNew(
  records: RecordStore,
  key: string,
  value: JsonValue,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await records.write(key, value, { ifVersion: 0, signal });
    return true;
  } catch (error) {
    if (hasCode(error, "PORT_VERSION_CONFLICT")) return false;
    throw error;
  }
}

/** Writes a number that only grows. */
async function raise(records: RecordStore, key: string, value: number): Promise<void> {
  for (;;) {
    const stored = await records.read(key);
    if (typeof stored?.value === "number" && stored.value >= value) return;
    try {
      await records.write(key, value, { ifVersion: stored?.version ?? 0 });
      return;
    } catch (error) {
      if (!hasCode(error, "PORT_VERSION_CONFLICT")) throw error;
    }
  }
}

function parseManifest(name: string, version: number, value: JsonValue): LandedObject {
  const invalid = (problem: string): never => {
    throw landingManifestInvalid(name, version, problem);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return invalid("it is no object");
  const { formatVersion, ...manifest } = value as Readonly<Record<string, JsonValue>>;
  if (formatVersion !== 1)
    return invalid(`its formatVersion is ${JSON.stringify(formatVersion)}, this release reads 1`);
  if (manifest["name"] !== name || manifest["version"] !== version) return invalid("it is of another name or version");
  if (typeof manifest["digest"] !== "string" || typeof manifest["sizeBytes"] !== "number")
    return invalid("it names no bytes");
  return manifest as unknown as LandedObject;
}

const longestName = 512;

function checkName(name: string): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused.
  if (name === "" || name.length > longestName || /[\u0000-\u001f\u007f]/.test(name) || !isWellFormed(name))
    throw landingNameInvalid(name);
}

/** Half of a surrogate pair has no bytes of its own: two such names would be one key. */
const isWellFormed = (name: string): boolean => Buffer.from(name, "utf8").toString("utf8") === name;

function checkVersion(version: number | undefined): void {
  if (version !== undefined && !(Number.isSafeInteger(version) && version >= 1))
    throw new RangeError(`A version is a whole number from 1, not ${version}.`);
}
