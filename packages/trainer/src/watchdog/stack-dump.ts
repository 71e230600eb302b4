import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Session } from "node:inspector";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly location: { readonly lineNumber: number; readonly columnNumber?: number | undefined };
}

const lineOf = ({ functionName, url, location }: CallFrame): string =>
  `    at ${functionName === "" ? "(anonymous)" : functionName} (${url}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1})`;

/** Timers turn in a main thread that waits, the watch's own among them. */
const isProgram = ({ url }: CallFrame): boolean =>
  url !== "" && !url.startsWith("node:") && !/\/watchdog\/hang-watch\.[jt]s$/.test(url);

/**
 * What the main thread of this process runs, asked for from a worker thread through the inspector: it is interrupted in the middle of JavaScript
 * (`Atomics.wait` among it), and goes on. @returns undefined where it runs none within the time: it is idle, or in native code.
 */
export function mainThreadStack(timeoutMs = 1_000): Promise<readonly string[] | undefined> {
  return new Promise((resolve) => {
    const session = new Session();
    let over = false;
    const end = (lines: readonly string[] | undefined, paused = lines !== undefined): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      resolve(lines);
      // Disabling takes a pause back that has not come.
      const leave = (): void => session.post("Debugger.disable", () => session.disconnect());
      if (paused) session.post("Debugger.resume", leave);
      else leave();
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    try {
      session.connectToMainThread();
      // Frames name their script by a number alone.
      const urls = new Map<string, string>();
      session.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
      session.on("Debugger.paused", ({ params }) => {
        const frames = params.callFrames.map((frame) => ({
          ...frame,
          url: urls.get(frame.location.scriptId) ?? frame.url,
        }));
        if (!frames.some(isProgram)) return end(undefined, true);
        const waiting = params.asyncStackTrace?.callFrames ?? [];
        const later = waiting.map(({ columnNumber, lineNumber, ...frame }) =>
          lineOf({ ...frame, location: { lineNumber, columnNumber } }),
        );
        end([...frames.map(lineOf), ...(later.length === 0 ? [] : ["    --- async ---", ...later])]);
      });
      session.post("Debugger.enable");
      session.post("Debugger.setAsyncCallStackDepth", { maxDepth: 8 });
      session.post("Debugger.pause");
    } catch {
      clearTimeout(timer);
      resolve(undefined);
    }
  });
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
};

/** What the kernel says of this process: where each of its threads waits, and which processes it has started. Linux alone; else empty. */
export function kernelView(): { readonly threads: readonly object[]; readonly children: readonly object[] } {
  const tasks = "/proc/self/task";
  if (!existsSync(tasks)) return { threads: [], children: [] };
  const ids = readdirSync(tasks);
  const threads = ids.map((id) => ({
    id: Number(id),
    name: read(`${tasks}/${id}/comm`),
    state: /State:\s+(.*)/.exec(read(`${tasks}/${id}/status`) ?? "")?.[1],
    waitsIn: read(`${tasks}/${id}/wchan`),
    stack: read(`${tasks}/${id}/stack`), // the kernel shows it to root alone
  }));
  const children = ids.flatMap((id) => (read(`${tasks}/${id}/children`) ?? "").split(/\s+/).filter(Boolean));
  return {
    threads,
    children: children.map((id) => ({ id: Number(id), command: read(`/proc/${id}/cmdline`)?.replaceAll("\0", " ") })),
  };
}
