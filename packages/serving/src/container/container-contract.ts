import assert from "node:assert/strict";
import { connect } from "node:net";
import { type CallOptions, type Clock, systemClock } from "@millwright/contracts";

/** A container that was started for the contract. */
export interface LaunchedContainer {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Sends SIGTERM to its first process, and resolves when that has ended. */
  terminate(options?: CallOptions): Promise<void>;
}

/** What the contract is checked against: any server, by its address. */
export interface ContainerTarget {
  /** Where one listens; not needed with `launch`. */
  readonly url?: string | undefined;
  /** Starts one, with the argument `serve`: then start and end are checked too. */
  readonly launch?: ((options?: CallOptions) => Promise<LaunchedContainer>) | undefined;
  /** A request that its model answers. */
  readonly example: {
    readonly contentType: string;
    readonly body: string | Uint8Array;
    readonly accept?: string | undefined;
  };
}

export interface ContainerCaseReport {
  readonly name: string;
  readonly passed: boolean;
  /** What was not as the contract says; absent where it was. */
  readonly problem?: string | undefined;
  readonly durationMs: number;
}

export interface ContainerReport {
  readonly passed: boolean;
  readonly cases: readonly ContainerCaseReport[];
}

export interface CheckContainerOptions extends CallOptions {
  /** How long `/ping` may say that it is not healthy yet, milliseconds. Default: 240,000. */
  readonly startMs?: number | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/** What a case is given. */
interface Site {
  readonly url: string;
  readonly example: ContainerTarget["example"];
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** Limits of SageMaker's documentation of inference containers. */
const limits = { pingMs: 2_000, connectMs: 250, answerMs: 60_000, endMs: 30_000, answerBytes: 6_291_456 };

const within = (ms: number, signal: AbortSignal | undefined): AbortSignal =>
  AbortSignal.any([AbortSignal.timeout(ms), ...(signal === undefined ? [] : [signal])]);

const ping = ({ url, signal }: Site): Promise<Response> =>
  fetch(`${url}/ping`, { signal: within(limits.pingMs, signal) });

async function invoke(
  { url, example, signal }: Site,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = example.body,
): Promise<{ readonly status: number; readonly type: string; readonly bytes: Buffer }> {
  const accept = example.accept === undefined ? {} : { accept: example.accept };
  const response = await fetch(`${url}/invocations`, {
    method: "POST",
    headers: { "content-type": example.contentType, ...accept, ...headers },
    body: body as Uint8Array<ArrayBuffer>,
    signal: within(limits.answerMs, signal),
  });
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "",
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

function connected({ url, signal }: Site): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), signal: within(limits.connectMs, signal) });
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

const cases: readonly { readonly name: string; readonly run: (site: Site) => Promise<void> }[] = [
  {
    name: "GET /ping is 200 with an empty body within 2 s",
    run: async (site) => {
      const response = await ping(site);
      assert.equal(response.status, 200, `it is ${response.status}`);
      assert.equal((await response.arrayBuffer()).byteLength, 0, "its body is not empty");
    },
  },
  { name: "a connection is accepted within 250 ms", run: connected },
  {
    name: "POST /invocations is 200 within 60 s, with a content type and at most 6 MiB",
    run: async (site) => {
      const { status, type, bytes } = await invoke(site);
      assert.equal(status, 200, `it is ${status}: ${bytes.toString().slice(0, 200)}`);
      assert.notEqual(type, "", "it names no content type");
      assert.ok(bytes.length > 0, "it is empty");
      assert.ok(bytes.length <= limits.answerBytes, `it has ${bytes.length} bytes`);
    },
  },
  {
    name: "headers that it does not know are ignored",
    run: async (site) => {
      const plain = await invoke(site);
      const more = await invoke(site, {
        "x-amzn-sagemaker-custom-attributes": "trace=1",
        "x-amzn-sagemaker-inference-id": "an-inference",
        "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        "x-something-new": "yes",
      });
      assert.deepEqual(
        [more.status, more.type, more.bytes.toString()],
        [plain.status, plain.type, plain.bytes.toString()],
      );
    },
  },
  {
    name: "a body that cannot be read is 4xx, and the container stays healthy",
    run: async (site) => {
      const { status } = await invoke(site, {}, Buffer.from([0xff, 0xfe, 0x7b, 0x00]));
      assert.ok(status >= 400 && status < 500, `it is ${status}`);
      assert.equal((await ping(site)).status, 200, "then /ping is not 200");
      assert.equal((await invoke(site)).status, 200, "then /invocations is not 200");
    },
  },
  {
    name: "requests at once are all answered, and /ping meanwhile",
    run: async (site) => {
      const asked = Promise.all(Array.from({ length: 20 }, () => invoke(site)));
      // It may fail before it is waited for.
      asked.catch(() => undefined);
      assert.equal((await ping(site)).status, 200, "/ping is not 200");
      const statuses = (await asked).map(({ status }) => status);
      assert.deepEqual(
        statuses,
        statuses.map(() => 200),
      );
    },
  },
];

async function reported(name: string, clock: Clock, run: () => Promise<void>): Promise<ContainerCaseReport> {
  const startMs = clock.monotonicMs();
  const durationMs = (): number => clock.monotonicMs() - startMs;
  try {
    await run();
    return { name, passed: true, durationMs: durationMs() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
    const problem = `${error instanceof Error ? error.message : String(error)}${cause}`;
    return { name, passed: false, problem, durationMs: durationMs() };
  }
}

/**
 * Checks SageMaker's contract of inference containers against a server, whoever wrote it: only HTTP and signals are used. With `launch` also that it becomes
 * healthy in time, and that SIGTERM ends it within 30 s after it has answered what it had. What is not as it should be is in the report, and not thrown.
 */
export async function checkContainer(
  target: ContainerTarget,
  options: CheckContainerOptions = {},
): Promise<ContainerReport> {
  const { startMs = 240_000, clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const { url: given, launch, example } = target;
  if (given === undefined && launch === undefined) throw new TypeError("checkContainer needs `url` or `launch`.");
  const launched = await launch?.({ signal });
  const site: Site = { url: (launched?.url ?? given ?? "").replace(/\/$/, ""), example, clock, signal };
  const reports: ContainerCaseReport[] = [];
  try {
    reports.push(await reported("it becomes healthy within 4 minutes", clock, () => healthy(site, startMs)));
    for (const { name, run } of cases) {
      signal?.throwIfAborted();
      reports.push(await reported(name, clock, () => run(site)));
    }
  } finally {
    if (launched !== undefined)
      reports.push(
        await reported("SIGTERM ends it within 30 s, and what it had is answered", clock, () => ends(site, launched)),
      );
  }
  return { passed: reports.every(({ passed }) => passed), cases: reports };
}

async function healthy(site: Site, startMs: number): Promise<void> {
  const untilMs = site.clock.monotonicMs() + startMs;
  for (;;) {
    const status = await ping(site).then(
      (response) => response.status,
      () => undefined,
    );
    if (status === 200) return;
    assert.ok(site.clock.monotonicMs() < untilMs, `/ping is ${status ?? "not answered"} after ${startMs} ms`);
    await site.clock.sleep(50, { signal: site.signal });
  }
}

async function ends(site: Site, launched: LaunchedContainer): Promise<void> {
  const asked = invoke(site).then(({ status }) => status);
  asked.catch(() => undefined);
  // The request is on its way before the signal is.
  await site.clock.sleep(20);
  const ended = launched.terminate({ signal: AbortSignal.timeout(limits.endMs) });
  const [status] = await Promise.all([asked, ended]);
  assert.equal(status, 200, `a request at the time of SIGTERM is ${status}`);
}
