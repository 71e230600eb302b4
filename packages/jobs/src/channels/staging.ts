import { constants, copyFile, mkdir, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { digestOfJson } from "@millwright/contracts";
import type { DirectoryJobOptions } from "../directory-job.ts";
import { inputMissing, inputModeUnsupported, writeFailure } from "../errors.ts";
import { filesBelow, type JobFiles, keepShard, type LinkedFile, stageInput } from "../job-files.ts";
import { type ChannelFile, filesOf, type PathChannel } from "./listing.ts";
import { shareOf } from "./pipes.ts";
import { type ChannelShare, placesOf } from "./shares.ts";
import type { TrainingChannel } from "./training-channel.ts";

/** Puts a channel's data where the job finds it before it begins, or links to them. Throws `JOBS_INPUT_MISSING`, `JOBS_MANIFEST_INVALID`, `JOBS_WRITE_FAILED`. */
export async function stageChannel(
  name: string,
  channel: TrainingChannel,
  folder: string,
  { share, ...options }: Required<Pick<DirectoryJobOptions, "artifacts" | "signal">> & { readonly share: ChannelShare },
): Promise<JobFiles> {
  const mine = shareOf(channel, share);
  if ("digest" in channel)
    return channel.inputMode === "Pipe" ? linkedOnly([]) : stageArtifact(name, channel, folder, { mine, ...options });
  if (channel.inputMode === "Pipe") return linkedOnly(await pipedFiles(name, channel));
  const files = await filesOf(name, channel);
  const kept = placesOf(files.length, mine, 0).map((place) => files[place] as ChannelFile);
  const put = channel.inputMode === "FastFile" ? linkTo : copyTo;
  try {
    await mkdir(folder, { recursive: true });
    for (const file of kept) {
      options.signal?.throwIfAborted();
      await put(file, join(folder, file.path));
    }
  } catch (error) {
    throw writeFailure(folder, error);
  }
  return channel.inputMode === "FastFile" ? linkedOnly(kept) : filesBelow(folder);
}

async function stageArtifact(
  name: string,
  channel: Extract<TrainingChannel, { readonly digest: unknown }>,
  folder: string,
  { mine, ...options }: Required<Pick<DirectoryJobOptions, "artifacts" | "signal">> & { readonly mine: ChannelShare },
): Promise<JobFiles> {
  await stageInput(name, channel, folder, options);
  await keepShard(folder, mine.index, mine.count);
  return filesBelow(folder);
}

/** Of a pipe, the files that it sends; of one whose records are in a manifest, that. */
async function pipedFiles(name: string, channel: PathChannel): Promise<readonly LinkedFile[]> {
  if (channel.dataType !== "AugmentedManifestFile") return filesOf(name, channel);
  const path = resolve(channel.path);
  const found = await stat(path).catch((error: unknown) => {
    throw inputMissing(name, path, error);
  });
  return [{ path: basename(path), sizeBytes: found.size, modifiedMs: Math.floor(found.mtimeMs) }];
}

function linkedOnly(files: readonly LinkedFile[]): JobFiles {
  const linked = files.map(({ path, sizeBytes, modifiedMs }) => ({ path, sizeBytes, modifiedMs }));
  return { digest: digestOfJson(linked), files: [], linked };
}

async function linkTo({ source }: ChannelFile, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  try {
    await symlink(source, target, "file");
  } catch (error) {
    if (process.platform !== "win32") throw error;
    throw inputModeUnsupported("FastFile", "Windows lets this user make no links", error);
  }
}

async function copyTo({ source }: ChannelFile, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  // Where the file system can share blocks until one side is written to, nothing is copied.
  await copyFile(source, target, constants.COPYFILE_FICLONE);
}
