import { checkInputs, type DirectoryJobOptions } from "../directory-job.ts";
import { inputModeUnsupported, specInvalid } from "../errors.ts";
import type { JobInput } from "../job-files.ts";

/** Data of a training job: a channel, in SageMaker's words and with its input modes. */
export type TrainingChannel = JobInput & {
  /** What the files hold, for `inputdataconfig.json`. Default: not said. */
  readonly contentType?: string | undefined;
  /**
   * `File`: copied to `input/data/<channel>` before the job begins. `FastFile`: that folder has links to the files where they are, so that none is read
   * before the job reads it; for the job they are to be read alone. `Pipe`: the bytes of all files, one after another, come through a FIFO for each pass
   * over the data, `input/data/<channel>_<epoch>` from 0; not on Windows. Default: `File`.
   */
  readonly inputMode?: "File" | "FastFile" | "Pipe" | undefined;
  /** Whether each host is given everything, or its share: of the files in their order, every `hosts.length`-th. Default: `FullyReplicated`. */
  readonly distribution?: "FullyReplicated" | "ShardedByS3Key" | undefined;
  /**
   * What `path` names. `S3Prefix`: a file, a folder, or the beginning of the paths of files. `ManifestFile`: a JSON file, `[{ "prefix": … }, "a", "b"]`, of
   * files whose paths are the prefix and what follows. `AugmentedManifestFile`: JSON lines of records, for `Pipe` alone. Default: a file or a folder.
   */
  readonly dataType?: "S3Prefix" | "ManifestFile" | "AugmentedManifestFile" | undefined;
  /** Of an augmented manifest, the 1 to 16 attributes of each record that are sent, in this order: of one that ends in `-ref`, the file that it names; else its value. */
  readonly attributeNames?: readonly string[] | undefined;
  /** Where on this machine is what manifests name by a URI, by the URI's beginning: `{ "s3://bucket/": "/data/bucket" }`. Default: nowhere. */
  readonly locations?: Readonly<Record<string, string>> | undefined;
  /** `RecordIO` of a `Pipe` makes a record of each file, and of each attribute. Default: `None`. */
  readonly recordWrapper?: "None" | "RecordIO" | undefined;
  /** `Gzip` of a `Pipe` expands each file. Default: `None`. */
  readonly compression?: "None" | "Gzip" | undefined;
  /** Of a `Pipe`: puts files, or records of an augmented manifest, into another order for each epoch, the same on every host, which may have another share then. */
  readonly shuffle?: { readonly seed: number } | undefined;
};

const oneOf = (field: string, value: string | undefined, allowed: readonly string[]): void => {
  if (value !== undefined && !allowed.includes(value))
    throw specInvalid(field, value, allowed.map((each) => `\`${each}\``).join(" or "));
};

/** Throws `JOBS_SPEC_INVALID`, `JOBS_INPUT_MODE_UNSUPPORTED`. */
export function checkChannels(
  channels: Readonly<Record<string, TrainingChannel>>,
  artifacts: DirectoryJobOptions["artifacts"],
): void {
  checkInputs("channels", channels, artifacts);
  for (const [name, channel] of Object.entries(channels)) {
    checkChannel(`channels.${name}`, channel);
    const epoch = /^(.+)_\d+$/.exec(name)?.[1] ?? "";
    if (Object.hasOwn(channels, epoch) && channels[epoch]?.inputMode === "Pipe")
      throw specInvalid("channels", name, `of names that are no epochs of the pipe "${epoch}"`);
  }
}

function checkChannel(field: string, channel: TrainingChannel): void {
  const { inputMode = "File", dataType, attributeNames, recordWrapper, compression, shuffle, locations } = channel;
  oneOf(`${field}.inputMode`, inputMode, ["File", "FastFile", "Pipe"]);
  oneOf(`${field}.distribution`, channel.distribution, ["FullyReplicated", "ShardedByS3Key"]);
  oneOf(`${field}.dataType`, dataType, ["S3Prefix", "ManifestFile", "AugmentedManifestFile"]);
  oneOf(`${field}.recordWrapper`, recordWrapper, ["None", "RecordIO"]);
  oneOf(`${field}.compression`, compression, ["None", "Gzip"]);
  if (inputMode === "Pipe" && process.platform === "win32")
    throw inputModeUnsupported("Pipe", "Windows has no FIFOs in its file system");
  if (inputMode !== "Pipe") {
    if (recordWrapper === "RecordIO")
      throw specInvalid(`${field}.recordWrapper`, recordWrapper, "left out of a channel that is no `Pipe`");
    if (compression === "Gzip")
      throw specInvalid(`${field}.compression`, compression, "left out of a channel that is no `Pipe`");
    if (shuffle !== undefined)
      throw specInvalid(`${field}.shuffle`, shuffle, "left out of a channel that is no `Pipe`");
    if (dataType === "AugmentedManifestFile")
      throw specInvalid(`${field}.inputMode`, inputMode, "`Pipe` for an augmented manifest");
  }
  if (shuffle !== undefined && !Number.isSafeInteger(shuffle.seed))
    throw specInvalid(`${field}.shuffle.seed`, shuffle.seed, "a whole number");
  if ("digest" in channel && (inputMode === "FastFile" || dataType !== undefined))
    throw specInvalid(
      `${field}`,
      channel.digest,
      "a path: an artifact is one file, for `File` or `Pipe`, and no manifest",
    );
  for (const [uri, path] of Object.entries(locations ?? {}))
    if (uri === "" || typeof path !== "string" || path === "")
      throw specInvalid(`${field}.locations`, locations, "paths by beginnings of URIs");
  const named = attributeNames !== undefined;
  if (named !== (dataType === "AugmentedManifestFile") || (named && !isNames(attributeNames)))
    throw specInvalid(
      `${field}.attributeNames`,
      attributeNames,
      "1 to 16 names with an augmented manifest, and absent without",
    );
}

const isNames = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length >= 1 &&
  value.length <= 16 &&
  value.every((each) => typeof each === "string" && each !== "");
