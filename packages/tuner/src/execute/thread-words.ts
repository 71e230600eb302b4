import type { TrialAnswer, TrialCall } from "./trial-link.ts";

/** What a thread is told. */
export type ThreadOrder =
  | { readonly kind: "run"; readonly url: string; readonly attempt: number }
  | { readonly kind: "answer"; readonly answer: TrialAnswer }
  | { readonly kind: "abort"; readonly reason: string };

/** What a thread says. */
export type ThreadWord =
  | { readonly kind: "call"; readonly call: TrialCall }
  | { readonly kind: "result"; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly error: {
        readonly name: string;
        readonly message: string;
        readonly stack: string | undefined;
        readonly code: string | undefined;
      };
    };
