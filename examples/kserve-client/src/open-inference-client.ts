import { type NamedTensor, decode, encode } from "./binary-tensors.ts";
import { accepted, post } from "./http.ts";

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** −1 where any size is allowed. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions?: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

interface AnsweredTensor extends Omit<NamedTensor, "data"> {
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size?: number };
}

interface Answer {
  readonly outputs: readonly AnsweredTensor[];
}

const headerLength = "inference-header-content-length";

/** The Open Inference Protocol, version 2, of a server such as `http://127.0.0.1:8080`. */
export class OpenInferenceClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/$/, "");
  }

  async isLive(): Promise<boolean> {
    return (await fetch(`${this.#url}/v2/health/live`)).ok;
  }

  async isReady(model?: string): Promise<boolean> {
    const path = model === undefined ? "/v2/health/ready" : `/v2/models/${encodeURIComponent(model)}/ready`;
    return (await fetch(this.#url + path)).ok;
  }

  async server(): Promise<{ readonly name: string; readonly version: string; readonly extensions: readonly string[] }> {
    return (await (await accepted("/v2", await fetch(`${this.#url}/v2`))).json()) as never;
  }

  async metadata(model: string): Promise<ModelMetadata> {
    const path = `/v2/models/${encodeURIComponent(model)}`;
    return (await (await accepted(path, await fetch(this.#url + path))).json()) as ModelMetadata;
  }

  /** Numbers as JSON, both ways. */
  async infer(model: string, inputs: readonly NamedTensor[]): Promise<readonly NamedTensor[]> {
    const answer = await this.#infer(model, post(JSON.stringify({ inputs })));
    return tensorsOf((await answer.json()) as Answer, new Uint8Array());
  }

  /** Numbers as bytes, both ways: a JSON head, and then the tensors one after another. */
  async inferBinary(model: string, inputs: readonly NamedTensor[]): Promise<readonly NamedTensor[]> {
    const parts = inputs.map(encode);
    const head = Buffer.from(
      JSON.stringify({
        inputs: inputs.map(({ name, datatype, shape }, at) => ({
          name,
          datatype,
          shape,
          parameters: { binary_data_size: parts[at]?.length },
        })),
        parameters: { binary_data_output: true },
      }),
    );
    const body = new Uint8Array(await new Blob([head, ...parts]).arrayBuffer());
    const headers = { "content-type": "application/octet-stream", [headerLength]: String(head.length) };
    const answer = await this.#infer(model, post(body, headers));
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const length = Number(answer.headers.get(headerLength) ?? bytes.length);
    return tensorsOf(JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))) as Answer, bytes.subarray(length));
  }

  async #infer(model: string, init: RequestInit): Promise<Response> {
    const path = `/v2/models/${encodeURIComponent(model)}/infer`;
    return accepted(path, await fetch(this.#url + path, init));
  }
}

/** A server may answer single outputs as JSON though it was asked for bytes. */
function tensorsOf({ outputs }: Answer, bytes: Uint8Array): readonly NamedTensor[] {
  let at = 0;
  return outputs.map(({ name, datatype, shape, data, parameters }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined) return { name, datatype, shape, data: (data ?? []).flat(32).map(Number) };
    at += size;
    return { name, datatype, shape, data: decode(datatype, bytes.subarray(at - size, at)) };
  });
}
