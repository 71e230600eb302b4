import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * The files that take longest. They start first, in this order, so that none of them is left running alone at the end; those that wait
 * for the disk stand apart from each other.
 */
const slowest: readonly string[] = [
  "packages/trainer/test/devices.integration.test.ts",
  "packages/feature-store/test/feast.integration.test.ts",
  "packages/feature-store/test/dynamodb-online-store.integration.test.ts",
  "packages/feature-store/test/feature-adapters.integration.test.ts",
  "packages/jobs/test/ray.integration.test.ts",
  "packages/storage/test/crash.test.ts",
  "packages/storage/test/conformance.integration.test.ts",
  "packages/storage/test/s3.integration.test.ts",
  "examples/flight-delays/test/job.test.ts",
  "packages/trainer/test/resume.test.ts",
  "packages/serving/test/replicas.integration.test.ts",
  "packages/serving/test/drain.test.ts",
  "packages/trainer/test/memory-guard.test.ts",
  "packages/trainer/test/parallel.test.ts",
  "packages/trainer/test/elastic.test.ts",
  "packages/trainer/test/determinism.test.ts",
  "test/readme-examples.test.ts",
  "examples/flight-delays/test/interrupted.test.ts",
  "packages/trainer/test/failures.test.ts",
  "examples/flight-delays/test/cancellation.test.ts",
  "packages/trainer/test/checkpoint-kill.test.ts",
  "packages/tfjs/test/webgpu.integration.test.ts",
  "packages/jobs/test/crash.test.ts",
  "packages/feature-store/test/keyed-processes.test.ts",
  "packages/feature-store/test/keyed-engine.test.ts",
  "packages/feature-store/test/keyed-engine-lmdb.test.ts",
  "packages/feature-store/test/point-in-time.test.ts",
  "packages/jobs/test/gpu-leases.test.ts",
  "packages/jobs/test/gpu-placement.test.ts",
  "packages/jobs/test/supervision.test.ts",
  "packages/trainer/test/training.test.ts",
  "packages/storage/test/processes.test.ts",
  "packages/trainer/test/trial.test.ts",
  "packages/tuner/test/durable-study.test.ts",
  "test/test-results.test.ts",
  "packages/storage/test/drivers.contract.test.ts",
  "packages/serving/test/deployer.test.ts",
  "packages/feature-store/test/crash.test.ts",
  "packages/monitor/test/slo.test.ts",
  "packages/duckdb/test/limits.test.ts",
];

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = slowest.findIndex((file) => moduleId.endsWith(`/${file}`));
      return index < 0 ? slowest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/** One configuration for every package, so that one command runs all of them and reports once. */
export default defineConfig({
  test: {
    include: [
      "packages/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "benchmarks/test/**/*.test.ts",
      "test/*.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/dist/**", "**/fixtures/**"],
    // Compiled packages are loaded by Node itself, as their users load them.
    server: { deps: { external: [/[\\/](?:packages|examples)[\\/][^\\/]+[\\/]dist[\\/]/] } },
    // Processes, not threads: native engines and SQLite bindings are not all safe to load in several threads.
    pool: "forks",
    // One more than cores where there are few: many tests wait for a disk, a child process or a timer.
    maxWorkers: Math.min(8, Math.max(3, availableParallelism())),
    sequence: { sequencer: SlowestFirst },
    // Tests that kill real processes at random moments meet busy machines in CI: one more try there, and the report says that it was needed.
    retry: process.env["CI"] === "true" ? 1 : 0,
    // What is waited for comes late on a busy machine: a second, which is what a poll has by itself, is a measurement of it.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 30_000,
    expect: { poll: { timeout: 100_000 } },
    reporters: ["default"],
  },
});
