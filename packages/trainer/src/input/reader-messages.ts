import type { DatasetRef } from "@millwright/contracts";
import type { FittedTransforms, RowRange } from "@millwright/data";
import type { TrainingTask } from "../define-training.ts";
import type { ToldError } from "../errors.ts";
import type { StepRows } from "./training-rows.ts";

/** What a thread that reads rows is given. */
export interface ReaderThreadData {
  readonly ref: DatasetRef;
  readonly transforms: FittedTransforms;
  readonly label: string;
  readonly task: TrainingTask;
  readonly rows: number;
  readonly maxRows: number | null;
}

/** Asks for the rows of ranges in shared memory; without any, to end. */
export type ReaderRequest =
  | { readonly id: number; readonly ranges: readonly RowRange[]; readonly target: StepRows }
  | "close";

export interface ReaderReply {
  readonly id: number;
  /** Why the rows are not there. */
  readonly error?: ToldError | { readonly message: string } | undefined;
}
