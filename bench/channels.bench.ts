import { kafkaChannels } from "./channels-kafka.ts";
import { rabbitmqChannel } from "./channels-rabbitmq.ts";
import type { Bench } from "./run.ts";

/** The engines of the channels that are servers, each next to its raw client in the same run. */
const halves: Bench[] = [kafkaChannels, rabbitmqChannel];

const channels: Bench = async (options) => {
  const figures = [];
  for (const half of halves) figures.push(await half(options));
  return Object.assign({}, ...figures);
};
export default channels;
