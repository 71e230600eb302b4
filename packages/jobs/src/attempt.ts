import type { ChildProcess } from "node:child_process";
import type { EventEmitter } from "node:events";
import type { Duplex, Readable } from "node:stream";
import type { JsonValue } from "@millwright/contracts";
import type { Attempt, AttemptOptions } from "./attempt-options.ts";
import { protocolInvalid } from "./errors.ts";
import { createLineSplitter } from "./line-splitter.ts";
import { type LineSink, createLineSink } from "./line-sink.ts";
import type { Ending, Intervention } from "./outcome.ts";
import { identify, type ProcessIdentity, residentBytes, signalTree, treeOf } from "./process-tree.ts";
import {
  channelDescriptor,
  encodeFrame,
  maxFrameLength,
  parseWorkerFrame,
  protocolVersion,
  type SupervisorFrame,
  type WorkerFrame,
} from "./protocol.ts";
import { quiet, startProcess } from "./start-process.ts";
import { LineTail, memoryKills } from "./supervision/out-of-memory.ts";
import { endProcess } from "./supervision/warm-pool.ts";
import { clearDescendants, clearTree } from "./tree-clearing.ts";

const longestLine = 16_384;

class Supervision implements Attempt {
  readonly identity: ProcessIdentity | undefined;
  readonly ending: Promise<Ending>;
  readonly #options: AttemptOptions;
  readonly #child: ChildProcess;
  readonly #channel: Duplex | undefined;
  readonly #lines: LineSink;
  readonly #over = new AbortController();
  #unsent: JsonValue[] | undefined = [];
  #result: { readonly value?: JsonValue | undefined } | undefined;
  #failure: Ending["failure"];
  #intervention: Intervention | undefined;
  #lastLifeMs: number;
  #reportedRssBytes = 0;
  #stopping = false;
  #interruption: string | undefined;
  #size: number | undefined;
  /** Resolves when the process has given its result and stays. */
  readonly #stayed: Promise<"stays">;
  #stay: () => void = () => {};
  readonly #listeners: (() => void)[] = [];
  readonly #tail = new LineTail();
  readonly #memoryKills = memoryKills();

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#stayed = new Promise((resolve) => (this.#stay = () => resolve("stays")));
    this.#lines = createLineSink(options);
    const [file] = options.command;
    this.#lastLifeMs = options.clock.monotonicMs();
    this.#child = options.warm?.child ?? startProcess(options);
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.#on(this.#child, "exit", (code, signal) =>
        resolve({ code: code as number | null, signal: signal as string | null }),
      );
      this.#on(this.#child, "error", (error) => {
        const { code, message } = error as NodeJS.ErrnoException;
        const problem = `"${file}" could not be started in "${options.workingDirectory}": ${message}`;
        this.#intervention ??= { kind: "spawn", problem, missing: code === "ENOENT" || code === "EACCES" };
        if (this.#child.pid === undefined) resolve({ code: null, signal: null });
      });
    });
    const closed = new Promise<void>((resolve) => this.#on(this.#child, "close", () => resolve()));
    this.identity = this.#child.pid === undefined ? undefined : identify(this.#child.pid);
    this.#channel = (this.#child.stdio[channelDescriptor] as Duplex | null | undefined) ?? undefined;
    if (this.#channel !== undefined) this.#listen(this.#channel);
    const pumps = Promise.all([this.#pump("stdout", this.#child.stdout), this.#pump("stderr", this.#child.stderr)]);
    if (options.start === undefined && this.identity !== undefined) options.onPhase("training");
    if (options.warm !== undefined) this.#begin();
    if (this.#channel !== undefined) void this.#watchHeartbeat();
    if (options.memoryBytes !== undefined) void this.#watchMemory(options.memoryBytes);
    this.#endAtOnce(options.endAtOnce);
    this.ending = this.#finish(exited, closed, pumps);
  }

  send(body: JsonValue): void {
    if (this.#unsent !== undefined) this.#unsent.push(body);
    else this.#post({ type: "message", body });
  }

  stop(reason: string): void {
    if (this.#stopping) return;
    this.#stopping = true;
    void this.#escalate(reason);
  }

  interrupt(reason: string, graceMs: number = this.#options.graceMs): void {
    if (this.#stopping || this.#interruption !== undefined || this.#over.signal.aborted) return;
    if (this.#channel === undefined) this.#signal("SIGTERM");
    else this.#post({ type: "stop", reason, graceMs, interruption: true });
    void this.#leaveWithin(reason, graceMs);
  }

  async #leaveWithin(reason: string, graceMs: number): Promise<void> {
    if (this.#interruption !== undefined) return;
    this.#interruption = reason;
    if (!(await this.#overWithin(graceMs))) await this.#kill();
  }

  async #escalate(reason: string): Promise<void> {
    const { graceMs } = this.#options;
    if (this.#channel !== undefined) {
      this.#post({ type: "stop", reason, graceMs });
      if (await this.#overWithin(graceMs / 2)) return;
    }
    this.#signal("SIGTERM");
    if (await this.#overWithin(this.#channel === undefined ? graceMs : graceMs / 2)) return;
    await this.#kill();
  }

  /** True once the process is gone. */
  async #overWithin(durationMs: number): Promise<boolean> {
    await this.#options.clock.sleep(durationMs, { signal: this.#over.signal }).catch(() => {});
    return this.#over.signal.aborted;
  }

  async #kill(): Promise<void> {
    // Again and again: a process of the tree may have started another between the listing and the signal.
    do this.#signal("SIGKILL");
    while (!(await this.#overWithin(250)));
  }

  #signal(signal: NodeJS.Signals): void {
    signalTree(this.#child.pid, this.#options.mark, signal);
  }

  #intervene(intervention: Intervention): void {
    if (this.#intervention !== undefined || this.#over.signal.aborted) return;
    this.#intervention = intervention;
    void this.#kill();
  }

  #post(frame: SupervisorFrame): void {
    if (this.#channel?.writable === true) this.#channel.write(encodeFrame(frame));
  }

  #listen(channel: Duplex): void {
    const splitter = createLineSplitter(maxFrameLength, (line, cut) => {
      try {
        if (cut)
          throw protocolInvalid(`a frame is longer than ${maxFrameLength} characters; write large things to files`);
        this.#take(parseWorkerFrame(line));
      } catch (error) {
        this.#intervene({ kind: "protocol", problem: error instanceof Error ? error.message : String(error) });
      }
    });
    this.#on(channel, "data", (chunk) => splitter.push(chunk as Buffer));
    this.#on(channel, "error", () => {}); // the process ended; its exit says how
    channel.resume();
  }

  #take(frame: WorkerFrame): void {
    const { journal, clock, start, onPhase } = this.#options;
    this.#lastLifeMs = clock.monotonicMs();
    switch (frame.type) {
      case "hello":
        if (frame.protocol !== protocolVersion || start === undefined) {
          const problem = `The module speaks version ${frame.protocol} of the protocol, the supervisor ${protocolVersion}.`;
          return this.#intervene({ kind: "protocol", problem });
        }
        return this.#begin();
      case "heartbeat":
        this.#reportedRssBytes = frame.rssBytes;
        return;
      case "phase":
        return onPhase(frame.state);
      case "message":
        return journal.push({ kind: "message", body: frame.body, timeMs: clock.nowMs() });
      case "metric": {
        const { type: _, value, ...metric } = frame;
        return journal.push({ kind: "metric", ...metric, value: Number(value), timeMs: clock.nowMs() });
      }
      case "size":
        return this.#takeSize(frame.size);
      case "notice":
        return void this.#leaveWithin(frame.reason, this.#options.graceMs);
      case "interrupted":
        this.#interruption ??= frame.reason;
        return;
      case "result":
        this.#result ??= { value: frame.value };
        if (frame.stays === true) this.#stay();
        return;
      case "failure":
        this.#failure ??= { ...frame.error, message: this.#options.mask(frame.error.message) };
    }
  }

  #on(source: EventEmitter, name: string, listener: (...values: unknown[]) => void): void {
    source.on(name, listener);
    this.#listeners.push(() => void source.off(name, listener));
  }

  /** Hands the module its job. */
  #begin(): void {
    const { start, onPhase } = this.#options;
    if (start !== undefined) this.#post(start);
    for (const body of this.#unsent ?? []) this.#post({ type: "message", body });
    this.#unsent = undefined;
    onPhase("training");
  }

  #takeSize(size: number): void {
    const { failedSize } = this.#options;
    this.#size = size;
    if (failedSize !== undefined && size >= failedSize) this.#intervene({ kind: "same-size", size, failedSize });
  }

  async #pump(stream: "stdout" | "stderr", source: Readable | null): Promise<void> {
    if (source === null) return;
    const { journal, start } = this.#options;
    let ended = false;
    const splitter = createLineSplitter(longestLine, (line, cut) => {
      if (ended) return;
      ended = start?.stayMark !== undefined && line.endsWith(start.stayMark);
      const shown = ended ? line.slice(0, -(start?.stayMark ?? "").length) : line;
      if (ended && shown === "") return;
      this.#tail.push(shown);
      this.#lines.take(stream, shown, cut);
    });
    try {
      // A stream whose process stays is read on by the next attempt.
      for await (const chunk of source.iterator({ destroyOnReturn: false })) {
        splitter.push(chunk as Buffer);
        this.#lines.flush();
        if (ended) break;
        // Reading no further fills the pipe, and a full pipe slows the process down: its logs cannot exhaust this one's memory.
        await journal.room();
      }
    } catch {
      // The stream was destroyed under a process that outlived the job's own.
    }
    splitter.end();
    this.#lines.flush();
  }

  async #watchHeartbeat(): Promise<void> {
    const { heartbeatTimeoutMs, clock } = this.#options;
    const everyMs = Math.min(1_000, heartbeatTimeoutMs / 4);
    let checkedMs = clock.monotonicMs();
    while (!(await this.#overWithin(everyMs))) {
      const nowMs = clock.monotonicMs();
      // A check that comes late means that this process stood still: the frames that came meanwhile have not been read yet.
      if (nowMs - checkedMs > 2 * everyMs + 100) this.#lastLifeMs = Math.max(this.#lastLifeMs, nowMs - everyMs);
      checkedMs = nowMs;
      const silentMs = nowMs - this.#lastLifeMs;
      const ended = (this.#result ?? this.#failure ?? this.#interruption) !== undefined;
      if (silentMs > heartbeatTimeoutMs && !ended) this.#intervene({ kind: "hung", silentMs });
    }
  }

  async #watchMemory(limitBytes: number): Promise<void> {
    while (!(await this.#overWithin(this.#options.memoryPollMs))) {
      const tree = treeOf(this.#child.pid);
      const bytes = tree.length > 0 ? residentBytes(tree) : this.#reportedRssBytes;
      if (bytes > limitBytes) this.#intervene({ kind: "memory", bytes, limitBytes });
    }
  }

  #isMemoryKilled(signal: string | null): boolean | undefined {
    const now = signal === "SIGKILL" || signal === null ? memoryKills() : undefined;
    return now === undefined || this.#memoryKills === undefined ? undefined : now > this.#memoryKills;
  }

  #endAtOnce(signal: AbortSignal): void {
    const end = (): void => this.#intervene(signal.reason as Intervention);
    if (signal.aborted) return end();
    signal.addEventListener("abort", end, { once: true, signal: this.#over.signal });
  }

  async #finish(
    exited: Promise<{ code: number | null; signal: string | null }>,
    closed: Promise<void>,
    pumps: Promise<unknown>,
  ): Promise<Ending> {
    const first = await Promise.race([exited, this.#stayed]);
    const stays = first === "stays";
    if (stays && (await this.#leaveProcess(pumps))) return this.#endingWith(undefined, undefined);
    if (stays) void this.#kill();
    const { code, signal } = stays ? await exited : first;
    if (this.#child.pid !== undefined) {
      await clearTree(this.#child.pid, this.#options);
      // The pipes close when the last process that holds them is gone.
      await Promise.race([closed, this.#options.clock.sleep(1_000)]);
    }
    this.#over.abort();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#channel?.destroy();
    await pumps;
    // A process that was to stay and could not was ended by this one: that says nothing of the job.
    return stays ? this.#endingWith(undefined, undefined) : this.#endingWith(code, signal);
  }

  /** Leaves the process to the next job, without what it has started; false where it is to end. */
  async #leaveProcess(pumps: Promise<unknown>): Promise<boolean> {
    const { clock, keep, mark } = this.#options;
    const halted = (): boolean => (this.#intervention ?? this.#interruption) !== undefined || this.#stopping;
    const read = await Promise.race([pumps.then(() => true), clock.sleep(2_000).then(() => false)]);
    if (!read || halted() || keep === undefined || this.identity === undefined) return false;
    if (!(await clearDescendants(this.identity.pid, mark, clock)) || halted()) return false;
    this.#over.abort();
    const { identity } = this;
    const child = this.#child;
    quiet(child);
    for (const remove of this.#listeners.splice(0)) remove();
    this.#channel?.pause();
    if (!keep({ child, identity, mark })) await endProcess({ child, identity, mark }, clock);
    return true;
  }

  #endingWith(code: number | null | undefined, signal: string | null | undefined): Ending {
    return {
      exitCode: code ?? undefined,
      exitSignal: signal ?? undefined,
      result: this.#result,
      failure: this.#failure,
      intervention: this.#intervention,
      interruption: this.#interruption,
      lines: this.#tail.text,
      memoryKilled: this.#isMemoryKilled(signal ?? null),
      size: this.#size,
    };
  }
}

export const startAttempt = (options: AttemptOptions): Attempt => new Supervision(options);
