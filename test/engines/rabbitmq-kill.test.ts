import { basename } from "node:path";
import { after, before } from "node:test";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { killSuite } from "../ports/work-channel/kill-suite.ts";
import type { KillEngine } from "../ports/work-channel/lives.ts";
import { processesSuite } from "../ports/work-channel/processes-suite.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";
import { drained } from "./drained.ts";

let server: RabbitMq;
before(async () => {
  server = await startRabbitMq();
});
after(() => server.dispose());

const engine: KillEngine = {
  worker: () => ({ rabbitmq: server.url }),
  create: (dir) => new RabbitmqWorkAdapter({ url: server.url, prefix: basename(dir), channels: ["jobs", "other"] }),
  drain: (workers, options) => drained(server, workers, options),
  deadTwice: true,
};

killSuite(engine);
processesSuite(engine);
