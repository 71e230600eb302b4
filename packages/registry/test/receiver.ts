import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { MillwrightEvent } from "@millwright/contracts";

export interface ReceivedMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly event: MillwrightEvent;
  /** What it answered; 0 where it hung up. */
  readonly status: number;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Every message that came, in order, whatever it answered. */
  readonly messages: readonly ReceivedMessage[];
  /** Resolves when `enough` holds of the messages. */
  until(enough: (messages: readonly ReceivedMessage[]) => boolean): Promise<void>;
}

/** A receiver of webhooks on a free port. @param answer The status to give, or 0 to hang up. */
export async function openReceiver(answer: (message: Omit<ReceivedMessage, "status">) => number): Promise<Receiver> {
  const messages: ReceivedMessage[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const headers = request.headers as Record<string, string>;
      const message = { headers, body, event: JSON.parse(body) as MillwrightEvent };
      const status = answer(message);
      messages.push({ ...message, status });
      if (status === 0) request.socket.destroy();
      else response.writeHead(status).end();
      for (const look of waiting) look();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    messages,
    until: (enough) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!enough(messages)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
