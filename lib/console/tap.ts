import type { TypedBroker } from "../service.ts";

/** What was just stored: JSON text of the payload, and the key that the message has. */
export type Tap = (channel: string, text: string, key: string) => void;
type Publish = TypedBroker["publish"];

const taps = new WeakMap<object, Set<Tap>>();

/**
 * Shows what services of this process publish, once it is stored. As long as nobody looks, nothing stands in the way of
 * the messages.
 */
export function tap(broker: Pick<TypedBroker, "publish">, see: Tap): () => void {
  let seeing = taps.get(broker);
  if (!seeing) {
    seeing = new Set();
    taps.set(broker, seeing);
    install(broker, seeing);
  }
  const all = seeing.add(see);
  return () => void all.delete(see);
}

function install(broker: Pick<TypedBroker, "publish">, seeing: Set<Tap>): void {
  const { publish } = broker;
  const tapped: Publish = (channel, payload, options) => {
    if (seeing.size === 0) {
      // Where somebody else stands before us by now, it stays a detour of one comparison.
      if (broker.publish === tapped) {
        broker.publish = publish;
        taps.delete(broker);
      }
      return publish(channel, payload, options);
    }
    const stored = publish(channel, payload, options);
    stored.then(
      () => {
        const text = options?.raw ? String(payload) : JSON.stringify(payload);
        for (const see of seeing) see(channel, text, options?.key ?? "");
      },
      () => {},
    );
    return stored;
  };
  broker.publish = tapped;
}
