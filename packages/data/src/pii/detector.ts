/** The kinds of personal data that are told apart. */
export type PiiKind =
  | "email"
  | "phone"
  | "card"
  | "iban"
  | "ipv4"
  | "ipv6"
  | "usSsn"
  | "ukNino"
  | "caSin"
  | "esDni"
  | "frNir"
  | "itCodiceFiscale"
  | "plPesel";

/** Finds one kind in a text. Patterns are global, take time linear in the text, and look at what stands around. */
export interface Detector {
  readonly kind: PiiKind;
  readonly pattern: RegExp;
  /** Whether a match is one, by its check digits. Default: every match is. */
  readonly accept?: ((match: string) => boolean) | undefined;
}
