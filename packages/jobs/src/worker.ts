export {
  failureOf,
  openWorkerChannel,
  runWorker,
  type WorkerChannel,
  type WorkerContext,
  type WorkerFunction,
} from "./worker-channel.ts";
