import { type ChildProcess, fork } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFailure } from "../errors.ts";
import { Board } from "./board.ts";
import type { ReplicaSpec } from "./replica.ts";
import type { RemoteState, RemoteWorker, Transport, WorkerTask } from "./transport.ts";

const module = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../dist/parallel/replica-process.js" : "./replica-process.js",
    import.meta.url,
  ),
);

/** What a worker's process says. */
export type ReplicaReport = { readonly ready: true } | { readonly done: number } | { readonly failed: string };

/** The descriptor at which a worker's process finds the board: behind the three of every process and that of its channel. */
export const boardDescriptor = 4;

const pauseMs = 100;

class ProcessWorker implements RemoteWorker {
  readonly worker: number;
  readonly #process: ChildProcess;
  #asked = 0;
  #done = 0;
  #ready = false;
  #reason: string | undefined;
  #gone = false;

  constructor(worker: number, spec: ReplicaSpec, { file, gpu, wake }: ProcessSetting) {
    this.worker = worker;
    this.#process = fork(module, [], {
      env: { ...process.env, ...(gpu === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpu }) },
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc", file],
    });
    this.#process.on("message", (message) => {
      const report = message as ReplicaReport;
      if ("ready" in report) this.#ready = true;
      else if ("failed" in report) this.#reason ??= report.failed;
      else this.#done = report.done;
      wake();
    });
    const lose = (reason: string): void => {
      this.#reason ??= reason;
      this.#gone = true; // from now on it writes nothing any more
      wake();
    };
    this.#process.on("error", (error) => lose(error.message));
    this.#process.on("exit", (code, signal) => lose(`Its process ended with ${signal ?? `code ${code}`}.`));
    this.#tell({ spec });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  get state(): RemoteState {
    if (this.#gone) return "lost";
    if (!this.#ready) return "starting";
    return this.#done === this.#asked ? "idle" : "busy";
  }

  begin(task: WorkerTask): void {
    this.#asked += 1;
    this.#tell({ task, number: this.#asked });
  }

  kill(reason: string): void {
    this.#reason ??= reason;
    this.#process.kill("SIGKILL");
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.kill("The run ended."); // it has nothing of its own
    await gone;
  }

  #tell(message: object): void {
    // A channel that has broken is told of by the process's end.
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}

interface ProcessSetting {
  readonly file: number;
  /** The one device it sees; undefined for those that this process sees. */
  readonly gpu: string | undefined;
  readonly wake: () => void;
}

/** Whether there is such a place, with room for twice as much: containers have little of it. */
function hasRoom(place: string, bytes: number): boolean {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize > 2 * bytes;
}

/** A file without a name, in memory where the system has such a place. Its bytes are gone with the last process that has it open. */
function openBoardFile(bytes: number): number {
  const directory = mkdtempSync(join(hasRoom("/dev/shm", bytes) ? "/dev/shm" : tmpdir(), "millwright-board-"));
  const path = join(directory, "board");
  try {
    const file = openSync(path, "wx+", 0o600);
    ftruncateSync(file, bytes);
    return file;
  } catch (error) {
    throw writeFailure(path, error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Workers in processes of their own, one GPU each where there are some. Weights and rows go through a file in memory: each step costs a copy of them for
 * each worker, and one of its gradients back.
 * @param gpus Devices by worker; the first is this process's.
 */
export function openProcessTransport(spec: ReplicaSpec, gpus: readonly string[]): Transport {
  const bytes = Board.bytesOf(spec.board);
  const file = openBoardFile(bytes);
  const workers: ProcessWorker[] = [];
  let wakers: (() => void)[] = [];
  let changed = false;
  const wake = (): void => {
    changed = true;
    for (const waker of wakers.splice(0)) waker();
  };
  return {
    kind: "processes",
    shared: false,
    board: new Board(spec.board, new ArrayBuffer(bytes), file),
    start(worker) {
      const gpu = gpus.length > 1 ? gpus[worker % gpus.length] : undefined;
      const started = new ProcessWorker(worker, spec, { file, gpu, wake });
      workers.push(started);
      return started;
    },
    async pause() {
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pauseMs);
          wakers.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
        wakers = [];
      }
      changed = false;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.end()));
      closeSync(file);
    },
  };
}
