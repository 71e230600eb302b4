import { readFile, stat } from "node:fs/promises";
import { abortable } from "@millwright/contracts";

/** What tells that this machine, or this process's turn on it, is about to be taken away. */
export interface NoticeOptions {
  /**
   * A file that is there for as long as the notice stands: what the agent of a cloud, or a script that asks its metadata address, writes. While it is
   * there no attempt is started, and those that run are interrupted; once it is gone, jobs go on. Default: none.
   */
  readonly file?: string | undefined;
  /** Time between two looks at the file. Default: 1,000. */
  readonly pollMs?: number | undefined;
  /** From the notice until what still runs is killed. Default: `limits.graceMs` of each job. */
  readonly deadlineMs?: number | undefined;
  /** Signals that tell the process of a module the same; Slurm, for one, sends what it is asked to. Default: `["SIGTERM"]`. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
}

export interface InterruptionNotice {
  /** Why attempts have to leave; undefined while there is no notice. */
  readonly standing: string | undefined;
  /** Called with each new notice. */
  onNotice(listener: (reason: string) => void): void;
  /** Resolves when there is no notice. */
  over(signal: AbortSignal): Promise<void>;
  close(): void;
}

const unheedable: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);

/** Throws a `RangeError` or a `TypeError`. */
export function checkNotice({ file, pollMs = 1_000, deadlineMs = 1, signals = [] }: NoticeOptions): void {
  if (file !== undefined && (typeof file !== "string" || file === ""))
    throw new TypeError("The file of a notice is a path.");
  if (!(pollMs >= 1 && pollMs < 2 ** 31)) throw new RangeError(`notice.pollMs must be from 1 to 2^31, not ${pollMs}.`);
  if (!(deadlineMs > 0 && deadlineMs < 2 ** 31))
    throw new RangeError(`notice.deadlineMs must be above 0 and below 2^31, not ${deadlineMs}.`);
  const wrong = signals.find((name) => !/^SIG[A-Z0-9]+$/.test(name) || unheedable.has(name));
  if (wrong !== undefined)
    throw new RangeError(`No process can heed the signal ${wrong}; name others in notice.signals.`);
}

/** Looks after the file of a notice until it is closed. */
export function watchNotice({ file, pollMs = 1_000 }: NoticeOptions): InterruptionNotice {
  const listeners: ((reason: string) => void)[] = [];
  const waiting = new Set<() => void>();
  let standing: string | undefined;
  const look = async (path: string): Promise<void> => {
    const there = await stat(path).catch(() => undefined);
    if (there === undefined) {
      standing = undefined;
      for (const wake of waiting) wake();
      waiting.clear();
    } else if (standing === undefined) {
      const said = (await readFile(path, "utf8").catch(() => "")).trim().slice(0, 200);
      standing = `The notice "${path}" says that this machine will be taken away${said === "" ? "." : `: ${said}`}`;
      for (const listener of listeners) listener(standing);
    }
  };
  let looking: Promise<void> | undefined;
  const begin = (path: string): void => {
    looking ??= look(path).finally(() => (looking = undefined));
  };
  if (file !== undefined) begin(file);
  const timer = file === undefined ? undefined : setInterval(() => begin(file), pollMs).unref();
  return {
    get standing() {
      return standing;
    },
    onNotice: (listener) => void listeners.push(listener),
    async over(signal) {
      await looking;
      while (standing !== undefined) await abortable(new Promise<void>((wake) => waiting.add(wake)), signal);
    },
    close: () => clearInterval(timer),
  };
}
