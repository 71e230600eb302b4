import assert from "node:assert/strict";
import type { JobEvent, JobLauncher, JobSpec } from "../job-launcher.ts";
import { isFinalJobState, jobTransitions } from "../job-state.ts";
import { abortedSignal, collect, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** A launcher without jobs, and jobs for it. Each function gives the spec of a job with this id. */
export interface JobLauncherFixture {
  readonly launcher: JobLauncher;
  /** Ends by itself, without an error. */
  succeeding(id: string): JobSpec;
  /** Fails by itself for a reason that is not transient. */
  failing(id: string): JobSpec;
  /** Goes on until it is stopped. */
  endless(id: string): JobSpec;
  /** Sends each message back until it gets `"done"`, then returns `"echoed"`. Absent where the launcher has no protocol. */
  readonly echoing?: ((id: string) => JobSpec) | undefined;
}

const statesOf = (events: readonly JobEvent[]): string[] =>
  events.filter((event) => event.kind === "state").map(({ state }) => state);

function assertLegal(events: readonly JobEvent[]): void {
  const states = events.filter((event) => event.kind === "state").map(({ state }) => state);
  for (const [index, state] of states.entries()) {
    const next = states[index + 1];
    if (next !== undefined) assert.ok(jobTransitions[state].includes(next), `${state} does not go to ${next}`);
  }
}

/** What each job launcher promises. */
export const jobLauncherContract: readonly ContractCase<JobLauncherFixture>[] = [
  {
    name: "a job that ends well is completed",
    run: async ({ launcher, succeeding }) => {
      const job = await launcher.launch(succeeding("good"));
      assert.equal(job.id, "good");
      const result = await job.result();
      assert.equal(result.state, "completed");
      assert.equal(result.attempts, 1);
      assert.equal(job.state, "completed");
    },
  },
  {
    name: "a job that fails is a result with a reason, not a rejection",
    run: async ({ launcher, failing }) => {
      const result = await (await launcher.launch(failing("bad"))).result();
      assert.equal(result.state, "failed");
      assert.ok((result.failureReason ?? "").length > 0, "no failure reason");
      assert.ok((result.failureReason ?? "").length <= 1024, "a failure reason of more than 1,024 characters");
    },
  },
  {
    name: "events go from the first state to the last over legal transitions, for every walker",
    run: async ({ launcher, succeeding }) => {
      const job = await launcher.launch(succeeding("walked"));
      const [first, second] = await Promise.all([collect(job.events()), collect(job.events())]);
      const late = await collect(job.events());
      assert.deepEqual(second, first);
      assert.deepEqual(late, first);
      assert.equal(statesOf(first)[0], "pending");
      assert.equal(statesOf(first).at(-1), "completed");
      assertLegal(first);
    },
  },
  {
    name: "launching an id again attaches to the job there is",
    run: async ({ launcher, succeeding }) => {
      const [first, second] = await Promise.all([
        launcher.launch(succeeding("same")),
        launcher.launch(succeeding("same")),
      ]);
      assert.equal((await first.result()).attempts, 1);
      const again = await launcher.launch(succeeding("same"));
      assert.deepEqual(await again.result(), await first.result());
      assert.deepEqual(await collect(again.events()), await collect(second.events()));
    },
  },
  {
    name: "attach finds a job by its id and rejects with PORT_JOB_UNKNOWN where there is none",
    run: async ({ launcher, succeeding }) => {
      await rejectsWithCode(launcher.attach("nobody"), "PORT_JOB_UNKNOWN");
      await (await launcher.launch(succeeding("found"))).result();
      assert.equal((await (await launcher.attach("found")).result()).state, "completed");
    },
  },
  {
    name: "stop ends the job: it is stopped, and stopping it again does nothing",
    run: async ({ launcher, endless }) => {
      const job = await launcher.launch(endless("long"));
      await job.stop("enough");
      await job.stop("enough again");
      assert.equal((await job.result()).state, "stopped");
      const events = await collect(job.events());
      assertLegal(events);
      assert.equal(statesOf(events).filter((state) => isFinalJobState(state as never)).length, 1);
    },
  },
  {
    name: "who stops waiting for a result does not stop the job",
    run: async ({ launcher, endless }) => {
      const job = await launcher.launch(endless("waited for"));
      const controller = new AbortController();
      const reason = new Error("no longer interested");
      const waiting = job.result({ signal: controller.signal });
      controller.abort(reason);
      await rejectsWithReason(waiting, reason);
      assert.equal(isFinalJobState(job.state), false);
      await job.stop("the end of the case");
    },
  },
  {
    name: "messages go to the module and come back in order",
    appliesTo: ({ echoing }) => echoing !== undefined,
    run: async ({ launcher, echoing }) => {
      assert.ok(echoing !== undefined);
      const job = await launcher.launch(echoing("echo"));
      for (const body of [1, "two", { three: [3] }, "done"]) job.send(body);
      assert.equal((await job.result()).value, "echoed");
      const events = await collect(job.events());
      const bodies = events.filter((event) => event.kind === "message").map(({ body }) => body);
      assert.deepEqual(bodies, [1, "two", { three: [3] }]);
    },
  },
  {
    name: "an aborted signal rejects with its reason and launches nothing",
    run: async ({ launcher, succeeding }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(launcher.launch(succeeding("never"), { signal }), reason);
      await rejectsWithCode(launcher.attach("never"), "PORT_JOB_UNKNOWN");
    },
  },
];
