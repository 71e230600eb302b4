/** What is wrong with a file. */
export type ScanRule =
  /** A pickle, whose reading is running it. */
  | "pickle"
  /** A program, a library, or byte code. */
  | "program"
  /** A script, or a page that holds some. */
  | "script"
  /** A layer or a class that is named or stored as code. */
  | "lambda"
  /** An operator that reaches beyond the model. */
  | "operator"
  /** Weights outside of the package. */
  | "external-data"
  /** An archive or a compressed file: what is in it is not seen by who reads the manifest. */
  | "archive"
  /** A link, a pipe, a device. */
  | "link"
  /** Of no kind that models of the format need. */
  | "unrecognised";

export interface Problem {
  readonly rule: ScanRule;
  readonly problem: string;
}

/** What bytes turned out to be. */
export interface Observation {
  readonly kind: string;
  readonly problems: readonly Problem[];
  /** Files beside it that it takes numbers from, by their paths relative to its folder. */
  readonly names?: readonly string[] | undefined;
}
