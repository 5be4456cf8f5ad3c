import type { Assigner, PartitionAssigner } from "kafkajs";

type Kafkajs = typeof import("kafkajs");

/** What a member that wants every partition for itself says of itself. */
const WANTS_ALL = Buffer.from("seek");
const VERSION = 0;

/**
 * Gives the partitions to the members in turn; but to one that wants all, all of them, while the others pause. So a
 * group's positions can be moved although it has consumers, also in other processes: while the positions are written
 * nobody else holds a partition, and whoever gets one afterwards begins with what was written.
 */
export function exclusiveAssigner(
  { AssignerProtocol: { MemberAssignment, MemberMetadata } }: Kafkajs,
  wantsAll: boolean,
): PartitionAssigner {
  return ({ cluster }) =>
    ({
      name: "GanglionAssigner",
      version: VERSION,
      async assign({ members, topics }) {
        const sorted = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
        const alone = sorted.filter(({ memberMetadata }) =>
          MemberMetadata.decode(memberMetadata)?.userData?.equals(WANTS_ALL),
        );
        const takers = alone.length > 0 ? alone.slice(0, 1) : sorted;
        const partitions = topics.flatMap((topic) =>
          (cluster as unknown as Metadata)
            .findTopicPartitionMetadata(topic)
            .map(({ partitionId }) => ({ topic, partitionId })),
        );
        return sorted.map(({ memberId }) => {
          const turn = takers.findIndex((taker) => taker.memberId === memberId);
          const own = partitions.filter((_, i) => turn >= 0 && i % takers.length === turn);
          const assignment: Record<string, number[]> = {};
          for (const { topic, partitionId } of own) assignment[topic] = [...(assignment[topic] ?? []), partitionId];
          return {
            memberId,
            memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
          };
        });
      },
      protocol: ({ topics }) => ({
        name: "GanglionAssigner",
        metadata: MemberMetadata.encode({
          version: VERSION,
          topics,
          userData: wantsAll ? WANTS_ALL : Buffer.alloc(0),
        }),
      }),
    }) satisfies Assigner;
}

/** Of kafkajs' cluster; its types leave it out. */
interface Metadata {
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
}
