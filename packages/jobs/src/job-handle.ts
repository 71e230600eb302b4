import type { JobHandle } from "@millwright/contracts";

/** The port's part of a job, for callers: what the launcher does with a job is not theirs to call. */
export const handleOf = (job: JobHandle): JobHandle => ({
  id: job.id,
  get state() {
    return job.state;
  },
  events: (options) => job.events(options),
  send: (body) => job.send(body),
  stop: (reason, options) => job.stop(reason, options),
  result: (options) => job.result(options),
});
