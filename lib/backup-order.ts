/** Files that lead to what stands in the others: the logs and queues of the channels. */
const CHANNELS = /^(facts|work)(\.[^/]*)?\.db$/;

/**
 * The order in which the files are copied: channels before everything else.
 *
 * A consumer writes to a store first and commits its position in the channel after that. So a store that is copied later
 * than the channel holds the effect of every message before the copied position; what it holds beyond that comes again
 * from the log, and changes nothing, because consumers are idempotent. The other way round, a message that is consumed
 * between the two copies would be behind the position and in no store: lost. Session epochs, which name readings without
 * a time, are counted in the document store: copied later they are never behind those in the log.
 */
export const backupOrder = (files: readonly string[]): string[] => {
  const sorted = files.toSorted();
  return [...sorted.filter((file) => CHANNELS.test(file)), ...sorted.filter((file) => !CHANNELS.test(file))];
};
