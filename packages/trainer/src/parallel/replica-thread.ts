// The module that a worker's thread runs.
import { workerData } from "node:worker_threads";
import { Board } from "./board.ts";
import { openReplica, stretchOf, sumShards } from "./replica.ts";
import { cells, type ThreadData } from "./thread-cells.ts";

const { spec, memory, control: shared, ring } = workerData as ThreadData;
const control = new Int32Array(shared);
const floats = new Float32Array(shared);
const bell = new Int32Array(ring);
const board = new Board(spec.board, memory);

function tell(cell: number, value: number): void {
  Atomics.store(control, cell, value);
  Atomics.add(bell, 0, 1);
  Atomics.notify(bell, 0);
}

const replica = await openReplica(spec, board);
tell(cells.ready, 1);
for (let done = 0; ;) {
  Atomics.wait(control, cells.asked, done); // until there is a newer task
  done = Atomics.load(control, cells.asked);
  const [kind = 0, step = 0, rows = 0, shards = 0, position = 0, workers = 1, pieceRows = 1] = control.subarray(
    cells.task,
  );
  const lossScale = floats[cells.lossScale] ?? 1;
  const task = { lossScale, step, rows, shards, position, workers, pieceRows };
  if (kind === 0) await replica.learn(task);
  else sumShards(task, board, stretchOf(spec.board.vector, position, workers));
  tell(cells.done, done);
}
