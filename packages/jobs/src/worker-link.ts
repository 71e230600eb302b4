import { Socket } from "node:net";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { notAWorker } from "./errors.ts";
import { leave } from "./leave.ts";
import { createLineSplitter } from "./line-splitter.ts";
import {
  channelDescriptor,
  encodeFrame,
  maxFrameLength,
  parseSupervisorFrame,
  type SupervisorFrame,
  type WorkerFrame,
} from "./protocol.ts";
import { openOutputLink } from "./remote/output-link.ts";

export interface WorkerLinkListener {
  frame(frame: SupervisorFrame): void;
  /** Nobody is there any more who could stop this process. */
  gone(): void;
}

/** A worker's end of what connects it with its supervisor. */
export interface WorkerLink {
  listen(listener: WorkerLinkListener): void;
  post(frame: WorkerFrame): void;
  /** Sends the last frame, then leaves: with code 0 after a result, 75 after an interruption, else 1. */
  end(frame: WorkerFrame, code: number): void;
}

/** The link that this process or thread was started with. Throws `JOBS_NOT_A_WORKER`. */
export function openLink(): WorkerLink {
  if (!isMainThread && isJobThread(workerData)) return openPortLink();
  // In any other process the descriptor is somebody else's, or nobody's.
  if (process.env["MILLWRIGHT_JOB_MARK"] === undefined) throw notAWorker();
  return openOutputLink(process.env) ?? openDescriptorLink();
}

const isJobThread = (data: unknown): boolean =>
  typeof data === "object" && data !== null && "millwrightJob" in data && data.millwrightJob === true;

/** JSON lines on a file descriptor: a child process of the supervisor. */
function openDescriptorLink(): WorkerLink {
  const socket = new Socket({ fd: channelDescriptor, readable: true, writable: true });
  return {
    listen({ frame, gone }) {
      const splitter = createLineSplitter(maxFrameLength, (line) => frame(parseSupervisorFrame(line)));
      socket.on("data", (chunk: Buffer) => splitter.push(chunk));
      socket.on("end", gone);
      socket.on("error", gone);
    },
    post(frame) {
      if (socket.writable) socket.write(encodeFrame(frame));
    },
    end(frame, code) {
      if (socket.writable) socket.end(encodeFrame(frame), () => leave(code));
      else leave(code);
    },
  };
}

/** The same lines as messages: a thread of the supervisor, which cannot outlive it. */
function openPortLink(): WorkerLink {
  return {
    listen: ({ frame }) => void parentPort?.on("message", (line: string) => frame(parseSupervisorFrame(line))),
    post: (frame) => parentPort?.postMessage(encodeFrame(frame)),
    end(frame, code) {
      parentPort?.postMessage(encodeFrame(frame));
      parentPort?.close();
      leave(code);
    },
  };
}
