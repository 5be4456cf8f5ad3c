import type { Position } from "../message.ts";

/** Where one partition goes on. */
export interface PartitionOffset {
  partition: number;
  offset: number;
}

const FORM = /^\d{1,9}:\d{1,15}(,\d{1,9}:\d{1,15})*$/;

/** As positions are shown: `0:17,1:4`. */
export const positionOf = (offsets: readonly PartitionOffset[]): string =>
  [...offsets]
    .sort((a, b) => a.partition - b.partition)
    .map(({ partition, offset }) => `${partition}:${offset}`)
    .join(",");

/** @throws RangeError where it is no list of `partition:offset`. */
export function offsetsOf(position: Position): PartitionOffset[] {
  if (!FORM.test(String(position))) throw new RangeError("position: must be partition:offset, or several with commas");
  return String(position)
    .split(",")
    .map((one) => {
      const [partition, offset] = one.split(":").map(Number);
      return { partition: partition as number, offset: offset as number };
    });
}
