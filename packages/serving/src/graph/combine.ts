import type { Tensor, Tensors } from "@millwright/contracts";
import { arrayTypes } from "../engine/tensor-rows.ts";
import type { EnsembleNode } from "./graph-node.ts";

/** The outputs of an ensemble's nodes as one. Throws a RangeError where their names, types or shapes differ, or a mean is asked of what has none. */
export function combine(node: EnsembleNode, answers: Readonly<Record<string, Tensors>>): Tensors {
  const { combine: how = "mean", weights = {} } = node;
  if (typeof how === "function") return how(answers);
  const given = node.ensemble.filter((name) => Object.hasOwn(answers, name));
  const all = given.map((name) => answers[name] as Tensors);
  const [first] = all;
  if (first === undefined) throw new RangeError("No node of the ensemble answered.");
  const parts = given.map((name) => weights[name] ?? 1);
  return Object.fromEntries(
    Object.keys(first).map((output) => {
      const tensors = all.map((each) => tensorOf(each, output, first[output] as Tensor));
      return [output, how === "mean" ? mean(output, tensors, parts) : vote(tensors, parts)];
    }),
  );
}

function tensorOf(answer: Tensors, output: string, like: Tensor): Tensor {
  const tensor = Object.hasOwn(answer, output) ? answer[output] : undefined;
  if (tensor?.dtype !== like.dtype || tensor.shape.join() !== like.shape.join())
    throw new RangeError(`The nodes of the ensemble differ in their output "${output}".`);
  return tensor;
}

function mean(output: string, tensors: readonly Tensor[], weights: readonly number[]): Tensor {
  const [first] = tensors as [Tensor];
  const { dtype, shape } = first;
  if (dtype !== "float32" && dtype !== "float64")
    throw new RangeError(`The output "${output}" is ${dtype}, which has no mean: combine it by "vote" or a function.`);
  const values = new arrayTypes[dtype](first.data.length);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let at = 0; at < values.length; at += 1) {
    let sum = 0;
    for (const [index, { data }] of tensors.entries()) sum += (data[at] as number) * (weights[index] ?? 1);
    values[at] = sum / total;
  }
  return { dtype, shape, data: values } as Tensor;
}

/** Cell by cell; of equal weights the value that was named first wins. */
function vote(tensors: readonly Tensor[], weights: readonly number[]): Tensor {
  const [first] = tensors as [Tensor];
  const { dtype, shape } = first;
  const winners = Array.from({ length: first.data.length }, (_, at) => {
    const votes = new Map<unknown, number>();
    for (const [index, { data }] of tensors.entries())
      votes.set(data[at], (votes.get(data[at]) ?? 0) + (weights[index] ?? 1));
    let winner: unknown = first.data[at];
    for (const [value, count] of votes) if (count > (votes.get(winner) ?? 0)) winner = value;
    return winner;
  });
  if (dtype === "string") return { dtype, shape, data: winners as string[] };
  const values = new arrayTypes[dtype](winners.length);
  for (const [at, winner] of winners.entries()) values[at] = winner as never;
  return { dtype, shape, data: values } as Tensor;
}
