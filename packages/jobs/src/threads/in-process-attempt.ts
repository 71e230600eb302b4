import type { Attempt, AttemptOptions } from "../attempt-options.ts";
import { moduleUnusable } from "../errors.ts";
import { encodeFrame, parseSupervisorFrame, type SupervisorFrame } from "../protocol.ts";
import { openChannel, type WorkerChannel, type WorkerFunction } from "../worker-channel.ts";
import type { WorkerLinkListener } from "../worker-link.ts";
import { startModule } from "./module-attempt.ts";

/** Calls the function of a job's module in this process. */
export const startInProcess = (options: AttemptOptions): Attempt =>
  startModule(options, (hearer) => {
    let listener: WorkerLinkListener | undefined;
    let ended: () => void;
    const exited = new Promise<Record<string, never>>((resolve) => (ended = () => resolve({})));
    const channel = Promise.resolve().then(() =>
      openChannel({
        listen: (given) => (listener = given),
        post: (frame) => hearer.frame(encodeFrame(frame)),
        end(frame) {
          hearer.frame(encodeFrame(frame));
          ended();
        },
      }),
    );
    void channel.then(run);
    return {
      // In a later turn, as from elsewhere, and as a copy.
      post: (frame: SupervisorFrame) => {
        const line = encodeFrame(frame);
        queueMicrotask(() => listener?.frame(parseSupervisorFrame(line)));
      },
      exited,
    };
  });

async function run(channel: WorkerChannel): Promise<void> {
  const { module } = channel.start;
  let loaded: Readonly<Record<string, unknown>>;
  try {
    loaded = (await import(module)) as typeof loaded;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return channel.fail(moduleUnusable(module, `importing it failed with "${problem}"`, error));
  }
  const work = loaded["default"];
  if (typeof work === "function") await channel.run(work as WorkerFunction);
  else channel.fail(moduleUnusable(module, "it has no default function"));
}
