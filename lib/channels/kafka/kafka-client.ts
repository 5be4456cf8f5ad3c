import { readFileSync } from "node:fs";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Admin, Consumer, ConsumerConfig, ISocketFactory, Kafka, Producer, RetryOptions } from "kafkajs";
import type { KafkaBrokers } from "./kafka-brokers.ts";
import { kafkaLog } from "./kafka-log.ts";

type Kafkajs = typeof import("kafkajs");

/** A question is given up after about two seconds. */
const ASKING: RetryOptions = { initialRetryTime: 100, maxRetryTime: 500, retries: 3 };
const CONNECT_MS = 1000;
const REQUEST_MS = 5000;
const KEEP_ALIVE_MS = 60_000;

/** The client library, loaded only where Kafka is used, with the settings that survive a broker's death. */
export class KafkaClient {
  readonly kafkajs: Kafkajs;
  /** For producer and consumers: never gives up while this is open. */
  #lasting: Kafka;
  #asking: Kafka;
  #retry: RetryOptions;
  readonly #sockets = new Set<Socket>();
  #closed = false;

  /** @throws Error naming a file of `tls` that cannot be read. */
  static async open(
    where: KafkaBrokers,
    clientId: string,
    logger: Parameters<typeof kafkaLog>[0],
  ): Promise<KafkaClient> {
    const { default: kafkajs } = (await import("kafkajs")) as unknown as { default: Kafkajs };
    return new KafkaClient(kafkajs, where, clientId, logger);
  }

  private constructor(kafkajs: Kafkajs, where: KafkaBrokers, clientId: string, logger: Parameters<typeof kafkaLog>[0]) {
    this.kafkajs = kafkajs;
    // kafkajs cannot be told to stop trying, but compares this at each try: a number that falls to 0 ends them all.
    const retries = { valueOf: () => (this.#closed ? 0 : Number.MAX_SAFE_INTEGER) } as unknown as number;
    this.#retry = { initialRetryTime: 100, maxRetryTime: 1000, retries };
    const common = {
      clientId,
      brokers: where.brokers,
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      socketFactory: this.#connect,
      logLevel: kafkajs.logLevel.WARN,
      logCreator: kafkaLog(logger),
      ...(where.tls ? { ssl: tlsOf(where.tls) } : {}),
      ...(where.sasl ? { sasl: where.sasl } : {}),
    };
    this.#lasting = new kafkajs.Kafka({ ...common, retry: this.#retry });
    this.#asking = new kafkajs.Kafka({ ...common, retry: ASKING });
  }

  /** Answers or fails within seconds. */
  admin(): Admin {
    return this.#asking.admin();
  }

  /** Whoever sends names the partition of each message. */
  producer(): Producer {
    return this.#lasting.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: () => (args) => args.message.partition as number,
    });
  }

  /** Does not restart itself: kafkajs does so after some errors only, so whoever uses it does after all. */
  consumer(config: ConsumerConfig): Consumer {
    return this.#lasting.consumer({
      allowAutoTopicCreation: false,
      ...config,
      retry: { ...this.#retry, restartOnFailure: async () => false },
    });
  }

  /** Nothing is tried any more, and whatever waits for an answer fails. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy(new Error("closed"));
  }

  /** As kafkajs does it; but what it leaves open, because a broker or a handler never answers, can be ended. */
  #connect: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : connect({ host, port }, onConnect);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#closed) socket.destroy(new Error("closed"));
    return socket.setKeepAlive(true, KEEP_ALIVE_MS);
  };
}

function tlsOf({ caFile, certFile, keyFile }: NonNullable<KafkaBrokers["tls"]>) {
  const read = (file: string) => {
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      throw new Error(`KAFKA_BROKERS: ${file} cannot be used: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    ...(caFile === undefined ? {} : { ca: [read(caFile)] }),
    ...(certFile === undefined ? {} : { cert: read(certFile) }),
    ...(keyFile === undefined ? {} : { key: read(keyFile) }),
  };
}
