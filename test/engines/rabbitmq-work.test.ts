import assert from "node:assert/strict";
import { basename } from "node:path";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Channel, WorkAdapter } from "../../lib/channels/base-adapter.ts";
import type { DeadCause } from "../../lib/channels/dead-cause.ts";
import type { Delivered } from "../../lib/channels/rabbitmq/consumer-host.ts";
import { AmqpLink } from "../../lib/channels/rabbitmq/link.ts";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { workChannelSuite } from "../ports/work-channel/suite.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";

let server: RabbitMq;
before(async () => {
  server = await startRabbitMq();
});
after(() => server.dispose());

/** Lets a test refuse dead letters, and take the connection away. */
class OpenedAdapter extends RabbitmqWorkAdapter {
  refusing = false;
  links: OpenedLink[] = [];

  protected override async bury(chan: Channel, item: Delivered, cause: DeadCause, error: unknown): Promise<void> {
    if (this.refusing) throw new Error("no space for dead letters");
    await super.bury(chan, item, cause, error);
  }

  protected override openLink(...parameters: ConstructorParameters<typeof AmqpLink>): AmqpLink {
    const link = new OpenedLink(...parameters);
    this.links.push(link);
    return link;
  }
}

class OpenedLink extends AmqpLink {
  away = false;

  protected override async dial() {
    if (this.away) throw new Error("connect ECONNREFUSED");
    return super.dial();
  }
}

const opened = (adapter: WorkAdapter): OpenedAdapter => {
  assert.ok(adapter instanceof OpenedAdapter);
  return adapter;
};

workChannelSuite({
  name: "RabbitMQ",
  create: (dir, options) =>
    new OpenedAdapter({ ...options, url: server.url, prefix: basename(dir), channels: ["jobs", "other"] }),
  refuseDeadLetters(adapter) {
    opened(adapter).refusing = true;
    return () => {};
  },
  async breakDown(adapter) {
    const { links } = opened(adapter);
    for (const link of links) {
      link.away = true;
      link.drop("broken down");
    }
    while (adapter.trouble === undefined) await sleep(5);
    return async () => {
      for (const link of links) link.away = false;
      while (adapter.trouble !== undefined) await sleep(5);
    };
  },
});
