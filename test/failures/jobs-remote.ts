import {
  createIdSource,
  createManualClock,
  createRandom,
  type JobHandle,
  type JobSpec,
} from "../../packages/contracts/dist/index.js";
import { openKubernetesJobs } from "../../packages/jobs/dist/drivers/kubernetes.js";
import { openRayJobs, type RemoteJobs } from "../../packages/jobs/dist/drivers/ray.js";
import { openSlurmJobs } from "../../packages/jobs/dist/drivers/slurm.js";
import { openInProcessJobs } from "../../packages/jobs/dist/drivers/in-process.js";
import { openThreadJobs } from "../../packages/jobs/dist/drivers/worker-thread.js";
import { methods, type Subjects, well } from "./subjects.ts";

/** Launchers whose jobs share this process. */
function sharedTable(folder: string): Subjects {
  let count = 0;
  const options = () => ({ directory: `${folder}/shared-${(count += 1)}`, maxCpus: 2, signal });
  const table = (open: typeof openThreadJobs): Subjects[string] => ({
    ...well(open, () => [options()], {
      RangeError: () => open({ ...options(), maxCpus: 0 }),
      JOBS_EXECUTOR_UNABLE: async () => {
        await using jobs = await open(options());
        await jobs.launch(spec("command"));
      },
    }),
    rounds: 20,
  });
  return { openInProcessJobs: table(openInProcessJobs), openThreadJobs: table(openThreadJobs) };
}

interface RemoteTable {
  readonly open: RemoteJobs;
  readonly subjects: Subjects;
}

const signal = new AbortController().signal;
const ids = createIdSource(createManualClock(0), createRandom(2));
const spec = (id: string): JobSpec => ({ id, run: { command: ["true"] }, limits: { wallTimeMs: 5_000 }, retries: 0 });

/** A cluster that refuses whatever it is asked, so that each job is over at once. */
const refusing = {
  url: "http://127.0.0.1:9",
  pollMs: 5,
  retryDelayMs: 1,
  requestTimeoutMs: 1_000,
  transport: async () => ({ status: 403, body: (async function* () {})() }),
} as const;

/** A launcher by its function, its options and the calls that it refuses. */
async function tableOf<Options>(
  name: string,
  open: (options: Options) => Promise<RemoteJobs>,
  optionsAt: (directory: string) => Options,
  wrong: (directory: string) => Record<string, Options>,
  folder: string,
): Promise<RemoteTable> {
  const directory = `${folder}/${name}`;
  const opened = await open(optionsAt(directory));
  const job = await opened.launch(spec("refused"));
  await job.result();
  let count = 0;
  const fresh = (): string => `${directory}-${(count += 1)}`;
  const fails = Object.entries(wrong(fresh())).map(([code, options]) => [code, () => open(options)] as const);
  const inUse = { JOBS_DIRECTORY_IN_USE: () => open(optionsAt(directory)) };
  return {
    open: opened,
    subjects: {
      [name]: {
        ...well(open as never, () => [optionsAt(fresh())], { ...inUse, ...Object.fromEntries(fails) }),
        rounds: 20,
      },
      ...remoteMethods(`${name}()`, opened, job),
    },
  };
}

const rayTable = (folder: string): Promise<RemoteTable> => {
  const optionsAt = (directory: string) => ({
    ...refusing,
    directory,
    directoryOnCluster: directory,
    runtimeEnv: {},
    node: "node",
    signal,
  });
  const wrong = (directory: string) => ({
    TypeError: { ...optionsAt(directory), url: "no url" },
    RangeError: { ...optionsAt(directory), pollMs: 0 },
  });
  return tableOf("openRayJobs", openRayJobs, optionsAt, wrong, folder);
};

const kubernetesTable = (folder: string): Promise<RemoteTable> => {
  const optionsAt = (directory: string) => ({
    ...refusing,
    directory,
    directoryOnCluster: directory,
    namespace: "training",
    image: "node:24",
    podSpec: {},
    labels: {},
    signal,
  });
  const wrong = (directory: string) => ({
    TypeError: { ...optionsAt(directory), namespace: "Not a label" },
    RangeError: { ...optionsAt(directory), ttlSecondsAfterFinished: 0 },
  });
  return tableOf("openKubernetesJobs", openKubernetesJobs, optionsAt, wrong, folder);
};

const slurmTable = (folder: string): Promise<RemoteTable> => {
  const run = async () => ({ code: 1, stdout: "", stderr: "Access denied" });
  const optionsAt = (directory: string) => ({
    directory,
    run,
    pollMs: 5,
    retryDelayMs: 1,
    arguments: ["--partition=a"],
    signal,
  });
  const wrong = (directory: string) => ({
    TypeError: { ...optionsAt(directory), directoryOnCluster: "not/absolute" },
    RangeError: { ...optionsAt(directory), requestTimeoutMs: 0 },
  });
  return tableOf("openSlurmJobs", openSlurmJobs, optionsAt, wrong, folder);
};

/** What every launcher of a cluster has. */
function remoteMethods(name: string, open: RemoteJobs, job: JobHandle): Subjects {
  const unknown = (call: () => unknown) => ({ PORT_JOB_UNKNOWN: call });
  return {
    ...methods(name, () => open, {
      launch: [
        () => [spec(ids.next()), { signal }],
        {
          JOBS_SPEC_INVALID: () => open.launch({ ...spec(""), id: "" }),
          JOBS_MODULE_UNUSABLE: () => open.launch({ id: "module", run: { module: "./no-url.js" } }),
        },
        12,
      ],
      attach: [() => ["refused", { signal }], unknown(() => open.attach("none"))],
      history: [() => ["refused", { signal }], unknown(() => open.history("none"))],
      logs: [
        () => ["refused", { tail: 1, follow: true, signal }],
        unknown(() => open.logs("none")[Symbol.asyncIterator]().next()),
      ],
    }),
    ...methods(`${name}.launch()`, () => job, {
      events: [() => [{ signal }]],
      send: [() => [{ a: 1 }]],
      stop: [() => ["enough", { signal }]],
      result: [() => [{ signal }]],
    }),
  };
}

/** What the launchers of clusters are called with. */
export async function openRemoteTable(folder: string): Promise<{ readonly subjects: Subjects } & AsyncDisposable> {
  const tables = await Promise.all([rayTable(folder), kubernetesTable(folder), slurmTable(folder)]);
  return {
    subjects: Object.assign(sharedTable(folder), ...tables.map(({ subjects }) => subjects)) as Subjects,
    async [Symbol.asyncDispose]() {
      for (const { open } of tables) await open[Symbol.asyncDispose]();
    },
  };
}
