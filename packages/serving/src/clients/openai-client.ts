import type { JsonObject, ModelSignature, TensorSpec, Tensors } from "@millwright/contracts";
import { follow } from "../engine/following.ts";
import { jsonObjectOf } from "../http/http-message.ts";
import { answerInvalid } from "./client-errors.ts";
import { type HttpProtocolOptions, type HttpServerSite, httpSite } from "./http-asking.ts";
import { checkName } from "./open-inference-client.ts";
import type { ClientProtocol, ProtocolCall, ProtocolReply } from "./protocol.ts";
import { checkedOutput, outputOf, understood } from "./tensor-values.ts";
import { jsonHeaders } from "./tensorflow-client.ts";

export interface OpenAiOptions extends HttpProtocolOptions {
  /** As the server calls it. */
  readonly model: string;
  /**
   * `embeddings`: a text for each row becomes a row of numbers. `completions`: a text is gone on with. `chat`: a text, and a second input named `system`
   * where there is one, is answered; one request for each row.
   */
  readonly task: "embeddings" | "completions" | "chat";
  /** Sent as they are beside what the task sets: `temperature`, `max_tokens`, `dimensions`, `seed`. Default: none. */
  readonly parameters?: JsonObject | undefined;
  /** Most requests of one batch that are under way at once (`chat`). Default: 8. */
  readonly parallel?: number | undefined;
}

type Message = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Message =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const tasks = ["embeddings", "completions", "chat"];
/** What the task sets by itself, or what would change how many answers there are. */
const reserved = ["model", "input", "prompt", "messages", "stream", "n", "encoding_format"];

/** Servers of OpenAI's REST API, at the address before `/embeddings` and the like: `https://api.openai.com/v1`, vLLM, Ollama, llama.cpp. */
export function openAi(options: OpenAiOptions): ClientProtocol {
  const { model, task, parameters = {}, parallel = 8 } = options;
  checkName("model", model);
  if (!tasks.includes(task)) throw new RangeError(`task must be one of ${tasks.join(", ")}, not ${String(task)}.`);
  if (!(Number.isInteger(parallel) && parallel >= 1))
    throw new RangeError(`parallel must be a whole number from 1, not ${String(parallel)}.`);
  if (!isObject(parameters)) throw new TypeError("parameters must be an object.");
  const set = reserved.find((name) => Object.hasOwn(parameters, name));
  if (set !== undefined) throw new RangeError(`The parameter "${set}" is set by the task.`);
  const site = httpSite(options);
  const where = `${model} at ${site.shown}`;
  const asker = new Asker(site, where, { model, parameters, parallel });
  return {
    where,
    refuses: (signature) => misfit(signature, task),
    infer: (call, { signal } = {}) => asker.ask(task, call, signal),
    ready: ({ signal } = {}) => site.answers("/models", signal),
  };
}

/** Why a signature cannot be that of a task. */
function misfit({ inputs, outputs }: ModelSignature, task: OpenAiOptions["task"]): string | undefined {
  const texts = (spec: TensorSpec | undefined): boolean => spec?.dtype === "string" && width(spec) === 1;
  const [output] = outputs;
  const most = task === "chat" ? 2 : 1;
  const extra = inputs.find(({ name }, at) => at > 0 && name !== "system");
  if (inputs.length > most || extra !== undefined || !inputs.every(texts))
    return `${task} takes one input of a text for each row${task === "chat" ? ', and one named "system"' : ""}`;
  if (outputs.length !== 1) return `${task} has one output`;
  if (task === "embeddings")
    return (output?.dtype === "float32" || output?.dtype === "float64") && output.shape.length === 2
      ? undefined
      : "embeddings are one output of floating-point numbers, [-1, n]";
  return texts(output) ? undefined : `${task} has one output of a text for each row`;
}

/** Elements of a row: 1 for shapes [-1] and [-1, 1]. */
const width = ({ shape }: TensorSpec): number =>
  shape.length === 0 ? Number.NaN : shape.slice(1).reduce((product, size) => product * size, 1);

interface Setting {
  readonly model: string;
  readonly parameters: JsonObject;
  readonly parallel: number;
}

interface Said {
  readonly message: Message;
  readonly headers: Headers;
}

class Asker {
  readonly #site: HttpServerSite;
  readonly #where: string;
  readonly #setting: Setting;

  constructor(site: HttpServerSite, where: string, setting: Setting) {
    this.#site = site;
    this.#where = where;
    this.#setting = setting;
  }

  async ask(task: OpenAiOptions["task"], call: ProtocolCall, signal: AbortSignal | undefined): Promise<ProtocolReply> {
    signal?.throwIfAborted();
    const spec = call.signature.outputs[0] as TensorSpec;
    if (task === "chat") return this.#chat(spec, call, signal);
    const texts = textsOf(call.inputs, call.signature.inputs[0]);
    const embeds = task === "embeddings";
    const question = embeds ? { input: texts, encoding_format: "float" } : { prompt: texts };
    const said = await this.#post(embeds ? "/embeddings" : "/completions", call, question, signal);
    const rows = this.#byIndex(said.message[embeds ? "data" : "choices"], texts.length);
    const values = rows.map((row) => row[embeds ? "embedding" : "text"]);
    return this.#reply(spec, values, said);
  }

  async #chat(spec: TensorSpec, call: ProtocolCall, signal: AbortSignal | undefined): Promise<ProtocolReply> {
    const { inputs } = call.signature;
    const texts = textsOf(call.inputs, inputs[0]);
    const systems = inputs[1] === undefined ? undefined : textsOf(call.inputs, inputs[1]);
    const said: Said[] = [];
    let next = 0;
    // One that fails ends the others: the batch has failed.
    const { controller, forget } = follow(signal);
    const worker = async (): Promise<void> => {
      while (next < texts.length) {
        const row = next;
        next += 1;
        const user = { role: "user", content: texts[row] };
        const messages = systems === undefined ? [user] : [{ role: "system", content: systems[row] }, user];
        said[row] = await this.#post("/chat/completions", call, { messages }, controller.signal);
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(this.#setting.parallel, texts.length) }, worker));
    } finally {
      controller.abort("answered");
      forget();
    }
    const values = said.map(({ message }) => {
      const choice = this.#byIndex(message["choices"], 1)[0];
      const answer = isObject(choice?.["message"]) ? choice["message"] : {};
      if (typeof answer["content"] === "string") return answer["content"];
      const refusal = typeof answer["refusal"] === "string" ? `: ${answer["refusal"].slice(0, 200)}` : "";
      throw answerInvalid(this.#where, `a message has no text${refusal}`);
    });
    return this.#reply(spec, values, said[0]);
  }

  async #post(path: string, call: ProtocolCall, question: object, signal: AbortSignal | undefined): Promise<Said> {
    const { model, parameters } = this.#setting;
    const body = JSON.stringify({ ...parameters, model, ...question });
    const { bytes, headers } = await this.#site.ask(this.#where, { path, body, headers: jsonHeaders(call) }, signal);
    return { message: understood(this.#where, () => jsonObjectOf(bytes)), headers };
  }

  /** What was answered in any order, each where its index says. */
  #byIndex(list: unknown, count: number): readonly Message[] {
    if (!Array.isArray(list) || list.length !== count || !list.every(isObject))
      throw answerInvalid(this.#where, `it has not ${count} answers for ${count} texts`);
    const rows: Message[] = [];
    for (const [at, each] of (list as readonly Message[]).entries()) rows[Number(each["index"] ?? at)] = each;
    const missing = Array.from({ length: count }, (_, at) => rows[at]).indexOf(undefined);
    if (missing >= 0) throw answerInvalid(this.#where, `the answer ${missing} is missing`);
    return rows.slice(0, count);
  }

  #reply(spec: TensorSpec, values: readonly unknown[], said: Said | undefined): ProtocolReply {
    const { message = {}, headers } = said ?? {};
    const told = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
    const tensor = outputOf(this.#where, spec, values);
    return {
      outputs: { [spec.name]: checkedOutput(this.#where, spec, tensor) },
      evidence: {
        requestId: headers?.get("x-request-id") ?? told(message["id"]),
        model: told(message["model"]) ?? this.#setting.model,
      },
    };
  }
}

function textsOf(inputs: Tensors, spec: TensorSpec | undefined): readonly string[] {
  const tensor = spec === undefined ? undefined : inputs[spec.name];
  return tensor?.dtype === "string" ? tensor.data : [];
}
