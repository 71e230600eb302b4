// What a job's process runs first: it says hello, imports the job's module, and runs what that exports.
import { moduleUnusable } from "./errors.ts";
import { openWorkerChannel, runWorker, type WorkerFunction } from "./worker.ts";

const channel = await openWorkerChannel();
process.on("uncaughtException", (error) => channel.fail(error));
process.on("unhandledRejection", (reason) => channel.fail(reason));

async function load(url: string): Promise<object | undefined> {
  try {
    return (await import(url)) as object;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    channel.fail(moduleUnusable(url, `importing it failed with "${problem}"`, error));
    return undefined;
  }
}

const loaded = await load(channel.start.module);
if (loaded !== undefined && !channel.used) {
  const work = "default" in loaded ? loaded.default : undefined;
  if (typeof work === "function") await runWorker(work as WorkerFunction);
  else channel.fail(moduleUnusable(channel.start.module, "it has no default function and did not call runWorker"));
}
