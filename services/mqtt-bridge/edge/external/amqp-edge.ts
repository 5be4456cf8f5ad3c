import { randomUUID } from "node:crypto";
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage } from "amqplib";
import { AmqpLink } from "../../../../lib/channels/rabbitmq/link.ts";
import { Topology } from "../../../../lib/channels/rabbitmq/topology.ts";
import { within } from "../../../../lib/channels/rabbitmq/within.ts";
import type { EdgeCapabilities } from "../../../../schemas/edge-capabilities.ts";
import { type AcknowledgeOrder, commitThenAcknowledge } from "../acknowledge.ts";
import type { DeliverOptions } from "../delivery.ts";
import type { Edge } from "../edge.ts";
import type { DeviceKey, EdgePolicy } from "../edge-policy.ts";
import type { Brought } from "./broker-message.ts";
import { placeOf } from "./broker-url.ts";
import { Intake } from "./intake.ts";
import { addressOf, outerTopic, UPLINKS } from "./topics.ts";

export interface AmqpEdgeOptions {
  /** `amqp://` or `amqps://`, with user, password and virtual host. */
  url: string;
  /** Name of this bridge, as the broker shows it. */
  bridge: string;
  /** What devices publish waits here; its dead letters in the queue with `.dead` behind its name. @default "mqtt.uplink" */
  queue?: string | undefined;
  /** Messages that the broker hands out before the first is acknowledged. @default 1000 */
  receiveMaximum?: number | undefined;
  /** @default 30000 */
  seenIntervalMs?: number | undefined;
  /** How old may be what is known of a device. @default 60000 */
  refreshMs?: number | undefined;
  /** The broker asks us by HTTP. */
  httpAuthentication?: boolean;
  /** The broker is there, perhaps again. */
  up?: (() => void) | undefined;
  /** @default commitThenAcknowledge */
  acknowledgeOrder?: AcknowledgeOrder | undefined;
  log(message: string, fields: object): void;
}

/** Where RabbitMQ's plugin for MQTT publishes, and what subscriptions are bound to. */
const EXCHANGE = "amq.topic";
const HEARTBEAT_SECONDS = 10;
const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_MS = 15_000;
const DRAIN_MS = 2000;
/** From the question whether a device may subscribe until it surely has. */
const SUBSCRIBED_MS = 1000;

/**
 * Devices at RabbitMQ's plugin for MQTT. What they publish waits in a durable quorum queue, of which several bridges may
 * take; a message leaves it when the channel has it.
 */
export class AmqpEdge implements Edge {
  readonly capabilities: EdgeCapabilities;
  readonly listening: readonly string[];
  readonly connections = 0;
  readonly dropped = 0;
  readonly #policy: EdgePolicy;
  readonly #options: AmqpEdgeOptions;
  readonly #intake: Intake;
  readonly #link: AmqpLink;
  readonly #topology: Topology;
  readonly #queue: string;
  readonly #names = `amqp/${randomUUID()}`;
  readonly #welcomes = new Set<NodeJS.Timeout>();
  #publishing: ConfirmChannel | undefined;
  readonly #acknowledgeOrder: AcknowledgeOrder;
  #count = 0;

  /** @throws Error where the broker refuses the user */
  static async start(policy: EdgePolicy, options: AmqpEdgeOptions): Promise<AmqpEdge> {
    const edge = new AmqpEdge(policy, options);
    try {
      await edge.#link.open();
      return edge;
    } catch (error) {
      await edge.close();
      throw error;
    }
  }

  private constructor(policy: EdgePolicy, options: AmqpEdgeOptions) {
    const { url, bridge, log, queue = "mqtt.uplink" } = options;
    this.capabilities = {
      "mqtt-5": false,
      "shared-subscriptions": true,
      "http-authentication": options.httpAuthentication ?? false,
      kick: false,
      presence: false,
      "durable-acknowledgement": false,
    };
    this.listening = [placeOf(url)];
    this.#acknowledgeOrder = options.acknowledgeOrder ?? commitThenAcknowledge;
    this.#policy = policy;
    this.#options = options;
    this.#queue = queue;
    this.#intake = new Intake(policy, {
      seenIntervalMs: options.seenIntervalMs ?? 30_000,
      refreshMs: options.refreshMs ?? 60_000,
      log,
    });
    this.#topology = new Topology(log);
    this.#link = new AmqpLink(
      {
        ...{ url, name: `${bridge} mqtt`, heartbeatSeconds: HEARTBEAT_SECONDS },
        ...{ connectTimeoutMs: CONNECT_TIMEOUT_MS, retryMs: 100, retryMaxMs: 2000 },
      },
      {
        up: (connection) => this.#up(connection),
        down: () => {
          this.#topology.down();
          this.#publishing = undefined;
        },
        log,
      },
    );
  }

  get refused(): number {
    return this.#intake.refused;
  }

  get trouble(): string | undefined {
    const { trouble } = this.#link;
    return trouble === undefined ? undefined : `MQTT broker: RabbitMQ: ${trouble}`;
  }

  async deliver(device: DeviceKey, topic: string, payload: Buffer, options: DeliverOptions = {}): Promise<void> {
    const channel = this.#publishing;
    if (!channel) throw new Error(this.trouble ?? "MQTT broker: RabbitMQ is away");
    const { expirySeconds } = options;
    const properties = {
      persistent: true,
      ...(expirySeconds === undefined ? {} : { expiration: String(expirySeconds * 1000) }),
    };
    const confirmed = new Promise<void>((resolve, reject) => {
      channel.publish(EXCHANGE, keyOf(outerTopic(device, topic)), payload, properties, (error: unknown) =>
        error ? reject(error) : resolve(),
      );
    });
    await within(ANSWER_MS, "confirmation", confirmed);
  }

  /** The broker keeps nothing for who subscribes later: `subscribing` brings it then. */
  setCurrent(device: DeviceKey, topic: string, payload: Buffer): Promise<void> {
    return this.deliver(device, topic, payload);
  }

  /** A device has asked for one of its topics, and been let. @param filter as dialects know it */
  subscribing(device: DeviceKey, filter: string): void {
    const timer = setTimeout(() => {
      this.#welcomes.delete(timer);
      this.#welcome(device, filter).catch((error: unknown) =>
        this.#options.log("A device could not be sent what its subscription begins with.", { ...device, error }),
      );
    }, SUBSCRIBED_MS);
    this.#welcomes.add(timer);
  }

  disconnect(device: DeviceKey): void {
    this.#intake.devices.forget(device);
  }

  admit(device: DeviceKey): void {
    this.#intake.devices.forget(device);
  }

  reloadCertificate(): void {}

  async close(): Promise<void> {
    for (const timer of this.#welcomes) clearTimeout(timer);
    await this.#intake.close(DRAIN_MS);
    await this.#link.close();
  }

  async #welcome(device: DeviceKey, filter: string): Promise<void> {
    const known = this.#policy.identify({ username: `${device.tenantId}/${device.deviceId}`, clientId: "" });
    const payload = known && (await this.#policy.current(known, filter));
    if (payload) await this.deliver(device, filter, payload);
  }

  async #up(connection: ChannelModel): Promise<void> {
    this.#topology.up(connection);
    await this.#topology.ensure(this.#queue);
    const channel = await within(ANSWER_MS, "channel", connection.createChannel());
    this.#watch(channel);
    for (const uplink of UPLINKS) {
      const bound = channel.bindQueue(this.#queue, EXCHANGE, `*.devices.*.${uplink}`);
      await within(ANSWER_MS, "bind", bound);
    }
    await channel.prefetch(this.#options.receiveMaximum ?? 1000);
    const publishing = await within(ANSWER_MS, "channel", connection.createConfirmChannel());
    this.#watch(publishing);
    this.#publishing = publishing;
    const consuming = channel.consume(this.#queue, (message) => {
      if (message) this.#take(channel, message);
      else this.#link.drop("the queue was deleted");
    });
    await within(ANSWER_MS, "consume", consuming);
    this.#options.up?.();
  }

  /** A channel that ends takes its connection along: both begin again together. */
  #watch(channel: Channel): void {
    channel.on("error", (error: Error) => this.#link.drop(error.message));
    channel.once("close", () => this.#link.drop("a channel was closed"));
  }

  #take(channel: Channel, message: ConsumeMessage): void {
    const { content: payload, fields, properties } = message;
    const address = addressOf(topicOf(fields.routingKey));
    const receivedAt = Date.now() * 1000;
    const headers = (properties.headers ?? {}) as Record<string, unknown>;
    // Our bindings let nothing else through.
    if (!address) {
      acknowledge(channel, message);
      return;
    }
    const brought: Brought = {
      ...address,
      ...{ payload, receivedAt },
      contentType: textOf(properties.contentType),
      messageId: textOf(headers["message-id"]),
      traceparent: textOf(headers["traceparent"]),
      // The broker names its messages for nobody: what comes again is another, where nothing in it says otherwise.
      arrival: () => ({ receivedAt, packet: `${this.#names}/${++this.#count}` }),
    };
    this.#acknowledgeOrder(
      () => this.#intake.take(brought),
      () => acknowledge(channel, message),
      () => {},
    );
  }
}

/** Nothing where the channel is gone: the broker has the message again. */
function acknowledge(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.ack(message);
  } catch {
    // It is about to tell that it is closed.
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** The plugin has `.` for `/`. */
const keyOf = (topic: string): string => topic.replaceAll("/", ".");
const topicOf = (key: string): string => key.replaceAll(".", "/");
