// Runs in a thread or a process of its own: loads models and answers for them until its server is gone.
import { Worker, parentPort, workerData } from "node:worker_threads";
import { type HostFrame, type WorkerFrame, createFrameReader, encodePrefix } from "./frames.ts";
import { WorkerCore, type WorkerLine, runtimesOf, wireErrorOf } from "./worker-core.ts";

type Taken = readonly [header: HostFrame, body: Uint8Array | undefined];

/** Takes frames from the start; those that come before the runtimes are there wait for them. */
async function run(module: string, line: WorkerLine, listen: (take: (...taken: Taken) => void) => void): Promise<void> {
  let core: WorkerCore | undefined;
  const early: Taken[] = [];
  listen((...taken) => {
    if (core === undefined) early.push(taken);
    else core.take(...taken);
  });
  try {
    const made = new WorkerCore(await runtimesOf(module), line);
    for (const taken of early) made.take(...taken);
    core = made;
  } catch (error) {
    line.post({ type: "failed", error: wireErrorOf(error) });
    line.leave(1);
  }
}

function runInThread(port: NonNullable<typeof parentPort>, module: string): Promise<void> {
  const line: WorkerLine = {
    post: (header, body) => port.postMessage([header, body], body === undefined ? [] : [body.buffer]),
    // In a later turn, when what was posted is on its way.
    leave: (exitCode) => void setImmediate(() => process.exit(exitCode)),
  };
  return run(module, line, (take) => port.on("message", ([header, body]: Taken) => take(header, body)));
}

/**
 * Ends the process when its server is gone, even while a model loops: from a thread, since the main one may not get its turn. The server says who it is: until
 * this thread runs, it may have gone, and whoever is the parent then stays.
 */
const watchdog = `
const { server } = require("node:worker_threads").workerData;
setInterval(() => process.ppid === server || process.kill(process.pid, "SIGKILL"), 1_000);
`;

function runInProcess(module: string): Promise<void> {
  new Worker(watchdog, {
    eval: true,
    workerData: { server: Number(process.argv[3] ?? process.ppid) },
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  }).unref();
  const { stdout, stderr, stdin } = process;
  const write = stdout.write.bind(stdout);
  // Standard output belongs to the frames: what models print goes beside them.
  stdout.write = stderr.write.bind(stderr);
  const line: WorkerLine = {
    post(header: WorkerFrame, body) {
      write(encodePrefix(header, body?.byteLength ?? 0));
      if (body !== undefined && body.byteLength > 0) write(body);
    },
    leave: (exitCode) => void write("", () => process.exit(exitCode)),
  };
  return run(module, line, (take) => {
    const reader = createFrameReader((header, body) => take(header as HostFrame, body));
    stdin.on("data", (chunk: Buffer) => reader.push(chunk));
    // The server is gone.
    stdin.on("end", () => process.exit(0));
  });
}

const given = (workerData as { readonly millwrightModule?: string } | null)?.millwrightModule;
if (parentPort !== null && given !== undefined) await runInThread(parentPort, given);
else await runInProcess(process.argv[2] ?? "");
