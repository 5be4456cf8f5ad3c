/** An external broker, as the bridge's settings have it. */
export interface ExternalBroker {
  /** `mqtt(s)://…` or, for RabbitMQ, `amqp(s)://…`; with user and password. */
  url: string;
  /** Name of this bridge among those of the platform. */
  bridge: string;
  /** Queue of what devices publish, at RabbitMQ. */
  queue?: string;
  arrivalsFile?: string;
  /** Where it is kept until when the devices were told of their configurations. */
  toldFile: string;
  passwordFile?: string;
  aclFile?: string;
  pidFile?: string;
  /** @default 60000 */
  filesRefreshMs?: number;
  /** Where the broker may ask us. */
  authentication?: { host: string; port: number; secret?: string };
}
