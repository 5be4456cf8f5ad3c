import type { Refusal } from "./reason.ts";

/** What became of a PUBLISH: nothing to say, or a reason although its bytes are stored (kept as a rejected message). */
export type Outcome = Refusal | undefined;

/** Decides when a PUBLISH is answered, given how to commit it and how to answer. */
export type AcknowledgeOrder = (
  commit: () => Promise<Outcome>,
  acknowledge: (outcome: Outcome) => void,
  refuse: (error: unknown) => void,
) => void;

/**
 * The first promise of the platform, in one place: PUBACK and PUBREC leave after the commit. A commit that fails is
 * never acknowledged.
 */
export const commitThenAcknowledge: AcknowledgeOrder = (commit, acknowledge, refuse) => {
  commit().then(acknowledge, refuse);
};
