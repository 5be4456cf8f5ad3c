import { problemOf } from "./problem.ts";

/** Why one item of a bulk request stayed as it was. */
export interface BulkFailure {
  id: string;
  code: string;
  message: string;
}

/** What a caller may know of it. */
export function bulkFailure(id: string, error: unknown): BulkFailure {
  const { code, detail, title, errors } = problemOf(error);
  const fields = errors?.map(({ message }) => message).join("; ");
  return { id, code, message: fields || (detail ?? title) };
}

/** Whether the fault is not the item's: the others would fail as well. */
export function isAway(error: unknown): boolean {
  const { status } = problemOf(error);
  return status >= 500 || status === 429;
}
