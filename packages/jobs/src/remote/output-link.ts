import { closeSync, openSync, readSync } from "node:fs";
import { createLineSplitter } from "../line-splitter.ts";
import { maxFrameLength, parseSupervisorFrame } from "../protocol.ts";
import { leave } from "../leave.ts";
import type { WorkerLink } from "../worker-link.ts";

/** Begins a frame among the lines of a job; what stands before it on its line is the job's own. */
export const frameMark = (mark: string): string => `::millwright:${mark}:`;

/** Time between two looks at the file that messages to a module are written to. */
const inboxPollMs = 200;

/**
 * The link of a module that runs where its supervisor is not: its frames stand among the lines of its standard output, and what it is told is in its
 * environment and, on a shared file system, in a file that grows. Undefined where the environment names no such thing.
 */
export function openOutputLink(environment: NodeJS.ProcessEnv): WorkerLink | undefined {
  const started = environment["MILLWRIGHT_JOB_START"];
  if (started === undefined) return undefined;
  const begin = frameMark(environment["MILLWRIGHT_JOB_MARK"] ?? "");
  const inbox = environment["MILLWRIGHT_JOB_INBOX"];
  const lineOf = (frame: object): string => `${begin}${JSON.stringify(frame)}\n`;
  let over = (): void => {};
  return {
    listen({ frame }) {
      const start = parseSupervisorFrame(started);
      queueMicrotask(() => frame(start));
      const reading = inbox === undefined ? undefined : follow(inbox, (line) => frame(parseSupervisorFrame(line)));
      over = () => clearInterval(reading);
    },
    post: (frame) => void process.stdout.write(lineOf(frame)),
    end(frame, code) {
      over();
      process.stdout.write(lineOf(frame), () => leave(code));
    },
  };
}

/** Reads what is appended to a file. It is opened anew each time: on a network file system only that is sure to show what others wrote. */
function follow(path: string, onLine: (line: string) => void): NodeJS.Timeout {
  const splitter = createLineSplitter(maxFrameLength, onLine);
  const buffer = Buffer.alloc(64 * 1024);
  let position = 0;
  return setInterval(() => {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch {
      return; // nothing was sent yet
    }
    try {
      for (;;) {
        const count = readSync(file, buffer, 0, buffer.length, position);
        if (count === 0) break;
        position += count;
        splitter.push(buffer.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
  }, inboxPollMs);
}
