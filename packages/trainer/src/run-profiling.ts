import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@millwright/contracts";
import { writeFailure } from "./errors.ts";
import { chromeTrace, type RunProfile, runProfile } from "./profiler/run-profile.ts";
import type { StepProfiler } from "./profiler/step-profiler.ts";
import { SystemSampler } from "./profiler/system-sampler.ts";
import type { Session } from "./run-session.ts";

/** Watches the machine while a run goes on. `end` gives the profile, `stop` ends the watching. */
export function startProfiling({ request, tfjs }: Session): {
  end(profiler: StepProfiler): Promise<RunProfile>;
  stop(): void;
} {
  const sampler = new SystemSampler(systemClock);
  const initializationMs = process.uptime() * 1_000;
  return {
    stop: () => sampler[Symbol.dispose](),
    async end(profiler) {
      const { samples } = sampler;
      const profile = runProfile(profiler, { asynchronous: tfjs.device === "gpu", samples, initializationMs });
      if ((request.profile?.traceSpans ?? 0) === 0) return profile;
      const folder = join(request.directory, "profile");
      const trace = join(folder, "trace.json");
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(trace, JSON.stringify(chromeTrace(profiler.spans, request.name, process.pid)));
      } catch (error) {
        throw writeFailure(trace, error);
      }
      return { ...profile, trace };
    },
  };
}
