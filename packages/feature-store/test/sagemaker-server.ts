import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Clock } from "@millwright/contracts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const modules = "import botocore, moto.core.model, moto.core.parse, moto.core.serialize, werkzeug";
export const hasAwsModels: boolean = spawnSync(python, ["-c", modules]).status === 0;
export const awsModelsMissing = `${python} cannot import botocore and moto: pip install "moto[s3]" flask flask-cors, and name that Python in MILLWRIGHT_PYTHON`;

interface Value {
  readonly FeatureName: string;
  readonly ValueAsString: string;
}

/** The members of all operations' inputs; each has those of its own. */
interface Input {
  readonly FeatureGroupName: string;
  readonly Record: readonly Value[];
  readonly TtlDuration?: { readonly Value: number };
  readonly RecordIdentifierValueAsString: string;
  readonly EventTime: string;
  readonly DeletionMode?: string;
  readonly Identifiers: readonly {
    readonly FeatureGroupName: string;
    readonly RecordIdentifiersValueAsString: readonly string[];
    readonly FeatureNames: readonly string[];
  }[];
}

/** What the process with the model says: a request that it read, an answer that it wrote, or what is wrong with it. */
interface Said {
  readonly operation: string;
  readonly input: Input;
  readonly problem?: string;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** A process that reads requests and writes answers by botocore's model of a service. */
interface ServiceModel extends AsyncDisposable {
  ask(question: object): Promise<Said>;
}

function openServiceModel(service: string): ServiceModel {
  const script = fileURLToPath(new URL("fixtures/aws/service_model.py", import.meta.url));
  const child: ChildProcess = spawn(python, [script, service], { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = new Map<number, (said: Said) => void>();
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const { id, ...said } = JSON.parse(line) as Said & { readonly id: number };
    waiting.get(id)!(said);
    waiting.delete(id);
  });
  let asked = 0;
  return {
    ask: (question) =>
      new Promise((resolve) => {
        waiting.set(asked, resolve);
        child.stdin!.write(`${JSON.stringify({ id: asked++, ...question })}\n`);
      }),
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.stdin!.end();
      await ended;
    },
  };
}

export interface SageMakerServer extends AsyncDisposable {
  readonly url: string;
  /** What botocore's model says against requests and answers; empty where all were as they should be. */
  readonly problems: readonly string[];
  /** Operations in the order they were called, with their input. */
  readonly calls: readonly { readonly operation: string; readonly input: Input }[];
  /** What the next call is refused with. */
  refuseNext(code: string, message: string): void;
}

/** How many records an answer has at most: the rest come back unprocessed. */
const ANSWER_RECORDS = 70;

/**
 * A server of SageMaker's feature store runtime: requests and answers are read and written by botocore's model, and what it keeps are the
 * records of a feature store of ours, whose values are the texts that came.
 * @param groups By feature group: its record identifier and its event time.
 */
export async function startSageMaker(
  groups: Readonly<Record<string, { readonly identifier: string; readonly eventTime: string }>>,
  clock: Clock,
): Promise<SageMakerServer> {
  const model = openServiceModel("sagemaker-featurestore-runtime");
  const directory = await temporaryDirectory();
  const entity = defineEntity({ name: "record", keys: { id: "utf8" } });
  const views = Object.keys(groups).map((name) =>
    defineFeatureView({ name, entity, eventTime: "at", features: { values: "utf8" }, ties: "first" }),
  );
  const services = [defineFeatureService({ name: "all", views })];
  const store = await openFeatureStore({ history: directory.path, services, online: openMemoryOnlineStore(), clock });
  const problems: string[] = [];
  const calls: { operation: string; input: Input }[] = [];
  const refusals: [string, string][] = [];

  const getRecord = async (group: string, id: string, names?: readonly string[]): Promise<object | undefined> => {
    const { status, values, expiresAtMs } = await store.get(group, { id });
    if (status !== "present") return undefined;
    const all = JSON.parse(values["values"] as string) as Value[];
    const Record = all.filter(({ FeatureName }) => names === undefined || names.includes(FeatureName));
    return { Record, ...(expiresAtMs === undefined ? {} : { ExpiresAt: new Date(expiresAtMs).toISOString() }) };
  };
  const operations: Record<string, (input: Input) => Promise<object>> = {
    async PutRecord({ FeatureGroupName: group, Record: values, TtlDuration: ttl }) {
      const value = (name: string): string => values.find((each) => each.FeatureName === name)!.ValueAsString;
      const { identifier, eventTime } = groups[group]!;
      const row = { id: value(identifier), at: new Date(value(eventTime)), values: JSON.stringify(values) };
      await store.put(group, [row], ttl === undefined ? {} : { ttlMs: ttl.Value * 1000 });
      return {};
    },
    async DeleteRecord({ FeatureGroupName, RecordIdentifierValueAsString: id, EventTime, DeletionMode }) {
      const hard = DeletionMode === "HardDelete";
      await store.delete(FeatureGroupName, { id }, { eventTimeMs: Date.parse(EventTime), hard });
      return {};
    },
    async BatchGetRecord({ Identifiers: [asked] }) {
      const { FeatureGroupName, RecordIdentifiersValueAsString: ids, FeatureNames } = asked!;
      const Records = [];
      for (const id of ids.slice(0, ANSWER_RECORDS)) {
        const found = await getRecord(FeatureGroupName, id, FeatureNames);
        if (found !== undefined) Records.push({ FeatureGroupName, RecordIdentifierValueAsString: id, ...found });
      }
      const left = ids.slice(ANSWER_RECORDS);
      const UnprocessedIdentifiers =
        left.length === 0 ? [] : [{ FeatureGroupName, RecordIdentifiersValueAsString: left, FeatureNames }];
      return { Records, Errors: [], UnprocessedIdentifiers };
    },
  };
  const answerTo = async (request: object): Promise<Said> => {
    const { operation, input, problem } = await model.ask({ request });
    if (problem !== undefined) {
      problems.push(problem);
      return await model.ask({ refusal: ["ValidationError", problem] });
    }
    calls.push({ operation, input });
    const refusal = refusals.shift();
    if (refusal !== undefined) return await model.ask({ refusal });
    const answer = await model.ask({ answer: [operation, await operations[operation]!(input)] });
    if (answer.problem !== undefined) problems.push(answer.problem);
    return answer;
  };
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString("base64");
    const { method, url, headers } = incoming;
    const said = await answerTo({ method, url, headers, body });
    outgoing.writeHead(said.status ?? 500, said.headers).end(said.body);
  };
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch((error: unknown) => {
      problems.push(String(error));
      outgoing.writeHead(500).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`,
    problems,
    calls,
    refuseNext: (code, message) => void refusals.push([code, message]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await model[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
