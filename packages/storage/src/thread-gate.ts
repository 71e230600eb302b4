const stopCell = 0;
const insideCell = 1;

/** Longest that a process on its way out waits for a statement that is running. */
const exitWaitMs = 5000;

/**
 * Keeps a thread out of native code while its process ends: ended in the middle of a native call, the SQLite binding aborts the whole process,
 * and its exit code is lost. Shared by both threads.
 */
export class ThreadGate {
  readonly #cells: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new Int32Array(buffer);
  }

  /** The thread begins a request. */
  arrive(): void {
    Atomics.store(this.#cells, insideCell, 1);
    this.pass();
  }

  /** The thread is between two native calls: from here it does not go on once it was told to stop. */
  pass(): void {
    if (Atomics.load(this.#cells, stopCell) === 0) return;
    this.leave();
    Atomics.wait(this.#cells, stopCell, 1);
  }

  /** The thread has done the request. */
  leave(): void {
    Atomics.store(this.#cells, insideCell, 0);
    Atomics.notify(this.#cells, insideCell);
  }

  /** The main thread tells it to stop for good, and waits until it is out. */
  stop(): void {
    Atomics.store(this.#cells, stopCell, 1);
    Atomics.wait(this.#cells, insideCell, 1, exitWaitMs);
  }
}

const live = new Set<ThreadGate>();

const stopAll = (): void => {
  for (const gate of live) gate.stop();
};

/** Stops the thread when the process exits. @returns what forgets it. */
export function stopAtExit(gate: ThreadGate): () => void {
  // One listener for all, there only while a thread is: listeners of a process are counted.
  if (live.size === 0) process.on("exit", stopAll);
  live.add(gate);
  return () => {
    live.delete(gate);
    if (live.size === 0) process.off("exit", stopAll);
  };
}
