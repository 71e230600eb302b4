import type { Tensors } from "@millwright/contracts";
import { sizeOf } from "../engine/tensor-rows.ts";
import { requestInvalid } from "../errors.ts";
import { type AnsweredRecord, type Expression, parseExpression } from "./expression.ts";

/** Longer ones are refused: SageMaker takes 64 characters. */
const mostCharacters = 256;

/** What the request says, else what the endpoint does. Throws `SERVING_REQUEST_INVALID` for an expression that cannot be read. */
export function wishOf(asked: boolean | string | undefined, otherwise: boolean | Expression): boolean | Expression {
  if (asked === undefined || asked === "") return otherwise;
  if (typeof asked === "boolean") return asked;
  const text = asked.trim();
  if (text === "`true`" || text === "true") return true;
  if (text === "`false`" || text === "false") return false;
  const expression = text.length > mostCharacters ? undefined : parseExpression(text);
  if (expression !== undefined) return expression;
  throw requestInvalid(
    `the expression that enables explanations cannot be read: ${JSON.stringify(text.slice(0, 80))}`,
    "Send `true`, `false`, or a comparison of outputs, such as probability > `0.5`.",
  );
}

/** Positions of the rows whose answers the expression is true of. */
export function chosenRows(outputs: Tensors, rows: number, wish: true | Expression): readonly number[] {
  const all = Array.from({ length: rows }, (_, row) => row);
  return wish === true ? all : all.filter((row) => wish(recordOf(outputs, row)));
}

function recordOf(outputs: Tensors, row: number): AnsweredRecord {
  const named = Object.entries(outputs).map(([name, { shape, data }]) => {
    const width = sizeOf(shape.slice(1));
    const cells = Array.from({ length: width }, (_, at) => plain(data[row * width + at]));
    return [name, width === 1 ? cells[0] : cells] as const;
  });
  return { named: Object.fromEntries(named), list: named.flatMap(([, value]) => value) };
}

const plain = (value: number | bigint | string | undefined): unknown =>
  typeof value === "bigint" ? Number(value) : value;
